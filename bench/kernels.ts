/** Times operations through TensorFlow.js against raw calls of the same work. */
import { messageOf } from '../dist/errors.js';
import * as tf from '../dist/engine/tf.js';
import { alternate, type Contestant, type Effort } from './alternate.js';
import { finished } from './backend.js';
import type { KernelCase } from './cases/kernel-case.js';
import type { PeerProcess } from './peer-process.js';
import { check, type Competitor, type Row } from './results.js';
import { quartiles } from './statistics.js';

/** Ours alone if there is no peer. A case that fails becomes a row that says why. */
export async function measureKernel(kernel: KernelCase, peer: PeerProcess | null, effort: Effort): Promise<Row> {
  const { section, name, work } = kernel;
  const row = { section, name, unit: section === 'products' ? 'GFLOP/s' : 'GB/s' } as const;
  let operands: readonly tf.Tensor[] = [];
  try {
    const prepared = kernel.prepare();
    operands = prepared.operands;
    const raw = peer ? kernel.raw : [];
    const times = await alternate([ours(prepared.call), ...raw.map(({ request }) => theirs(peer!, request))], effort);
    const rates = (i: number, amount: number) => quartiles(times[i]!.map((seconds) => amount / seconds / 1e9));
    const measured = rates(0, work);
    const peers = raw.map((call, i): Competitor => ({ name: call.name, value: rates(i + 1, call.work) }));
    const checks = kernel.bounds.flatMap(({ of, kind, bound }) =>
      check(
        measured,
        peers.find((competitor) => competitor.name === of),
        kind,
        bound,
      ),
    );
    return { ...row, ours: measured, peers, checks, note: null };
  } catch (error) {
    return { ...row, ours: null, peers: [], checks: [], note: messageOf(error).split('\n', 1)[0] ?? '' };
  } finally {
    tf.dispose([...operands]);
  }
}

function ours(call: () => tf.Tensor): Contestant {
  return {
    repeat: async (calls) => {
      tf.dispose(tf.tidy(call));
      await finished();
      const start = performance.now();
      for (let i = 0; i < calls; i++) tf.dispose(tf.tidy(call));
      await finished();
      return (performance.now() - start) / 1000 / calls;
    },
  };
}

function theirs(peer: PeerProcess, request: string): Contestant {
  return { repeat: (calls) => peer.askNumber(`${request} ${calls}`) };
}
