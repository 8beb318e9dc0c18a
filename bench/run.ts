/** `run`: everything in one go, into a JSON file and a table. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname } from 'node:path';
import type { Effort } from './alternate.js';
import { activate } from './backend.js';
import type { Scale } from './cases/kernel-case.js';
import { memoryCases } from './cases/memory.js';
import { productCases } from './cases/products.js';
import { measureKernel } from './kernels.js';
import { commit, machine, versions } from './machine.js';
import { type Peer, startRaw, startTorch } from './peers.js';
import { progress, textReport } from './report.js';
import { measureResident } from './resident.js';
import type { Results, Row, Section } from './results.js';
import { say } from './say.js';
import { measureStep } from './steps.js';

export interface RunOptions {
  readonly backend: string;
  readonly threads: number | undefined;
  readonly sections: readonly Section[];
  /** Rows of kernels whose names match. */
  readonly only: RegExp;
  readonly peers: boolean;
  readonly quick: boolean;
  /** Of every contestant; absent: as many as the form of the run has. */
  readonly repetitions: number | undefined;
  /** Where the JSON goes. */
  readonly out: string;
}

/** Of a tensor that goes through memory: so many times the last-level cache, but so much of the memory at most. */
const timesCache = 4;
const shareOfMemory = 1 / 16;

/** The steps that are timed, and the one whose memory is measured. */
const steps = [
  { network: 'mlp', batch: 500 },
  { network: 'c4d3', batch: 100 },
  { network: 'c4d3', batch: 500 },
] as const;
const resident = { network: 'c4d3', batch: 1000, steps: 5 } as const;
const residentRepetitions = 3;
const quickBatch = 4;

export async function run(options: RunOptions): Promise<Results> {
  const { quick } = options;
  const before = loadavg()[0] ?? NaN;
  const backend = await activate(options.backend, options.threads);
  const { name, description, threads } = backend;
  const here = machine();
  say(`backend ${name} (${description}), ${threads} threads; ${here.cpu}, ${here.cores} cores`);

  const none: Peer = { absent: 'not asked for' };
  const device = backend.gpu ? 'cuda' : 'cpu';
  const raw = options.peers ? await startRaw(threads) : none;
  const torch = options.peers ? await startTorch(threads, device) : none;
  const peers = { raw: aboutPeer(raw), torch: aboutPeer(torch) };
  for (const [peer, about] of Object.entries(peers)) say(`peer ${peer}: ${about}`);

  const rows: Row[] = [];
  const add = (...more: Row[]): void => {
    rows.push(...more);
    for (const row of more) say(progress(row));
  };
  const effort = (seconds: number): Effort => ({
    repetitions: options.repetitions ?? (quick ? 3 : 9),
    seconds: quick ? 0 : seconds,
  });
  const wants = (section: Section): boolean => options.sections.includes(section);
  try {
    if (wants('resident')) {
      const what = quick ? { ...resident, batch: quickBatch } : resident;
      const count = quick ? 1 : residentRepetitions;
      add(...(await measureResident(backend, 'absent' in torch ? null : device, what, count)));
    }
    if (wants('steps')) {
      const peer = 'absent' in torch ? null : torch.process;
      for (const { network, batch } of steps) {
        add(await measureStep(network, quick ? quickBatch : batch, peer, effort(0.5)));
      }
    }
    const scale = quick ? quickScale(threads) : fullScale(here.cacheBytes, here.memoryBytes, threads);
    const cases = [
      ...(wants('products') ? productCases(scale) : []),
      ...(wants('memory') ? memoryCases(scale) : []),
    ].filter((kernel) => options.only.test(kernel.name));
    for (const kernel of cases) {
      add(await measureKernel(kernel, 'absent' in raw ? null : raw.process, effort(0.1)));
    }
  } finally {
    for (const peer of [raw, torch]) if (!('absent' in peer)) peer.process.stop();
  }

  const results: Results = {
    date: new Date().toISOString(),
    commit: commit(),
    quick,
    repetitions: effort(0).repetitions,
    machine: here,
    versions: versions(),
    backend: { name, description, threads },
    peers,
    load: [before, loadavg()[0] ?? NaN],
    rows,
  };
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`);
  say(textReport(results));
  say(`written to ${options.out}`);
  return results;
}

function fullScale(cacheBytes: number, memoryBytes: number, threads: number): Scale {
  const bytes = Math.min(timesCache * cacheBytes, shareOfMemory * memoryBytes);
  return { batch: 1000, shrink: 1, elements: bytes / 4, threads };
}

function quickScale(threads: number): Scale {
  return { batch: 2, shrink: 16, elements: 2 ** 15, threads };
}

function aboutPeer(peer: Peer): string {
  return 'absent' in peer ? `absent: ${peer.absent}` : peer.info;
}
