/** Times SGD steps against PyTorch's. */
import { alternate, type Contestant, type Effort } from './alternate.js';
import { finished } from './backend.js';
import type { PeerProcess } from './peer-process.js';
import { check, type Competitor, type Row } from './results.js';
import { type NetworkName, type Phases, SgdTask } from './sgd-step.js';
import { type Quartiles, quartiles } from './statistics.js';

/** Of PyTorch's time. */
const bound = 0.7;

export async function measureStep(
  network: NetworkName,
  batch: number,
  peer: PeerProcess | null,
  effort: Effort,
): Promise<Row> {
  const task = new SgdTask(network, batch);
  const phases: Phases[] = [];
  const ours: Contestant = {
    repeat: async (steps) => {
      await task.step();
      await finished();
      const start = performance.now();
      for (let i = 0; i < steps; i++) phases.push((await task.step()).phases);
      await finished();
      return (performance.now() - start) / 1000 / steps;
    },
  };
  const theirs = peer ? [{ repeat: (steps: number) => peer.askNumber(`step ${network} ${batch} ${steps}`) }] : [];
  const times = (await alternate([ours, ...theirs], effort)).map(milliseconds);
  task.dispose();
  const measured = times[0]!;
  const torch: Competitor | undefined = times[1] && { name: 'PyTorch', value: times[1] };
  return {
    section: 'steps',
    name: `SGD step of ${network}, batch ${batch}`,
    unit: 'ms',
    ours: measured,
    peers: torch ? [torch] : [],
    checks: check(measured, torch, 'at most', bound),
    note: shares(phases),
  };
}

function milliseconds(seconds: readonly number[]): Quartiles {
  return quartiles(seconds.map((x) => 1000 * x));
}

/** How the medians of the phases divide a step. */
function shares(phases: readonly Phases[]): string {
  const names = ['forward', 'backward', 'update'] as const;
  const medians = names.map((name) => quartiles(phases.map((times) => times[name])).median);
  const total = medians.reduce((sum, x) => sum + x, 0);
  return names.map((name, i) => `${name} ${Math.round((100 * medians[i]!) / total)} %`).join(', ');
}
