/** Peak resident memory of an SGD step, each time in a fresh process. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { activate, type BenchBackend } from './backend.js';
import { startTorch } from './peers.js';
import { check, type Row } from './results.js';
import { type NetworkName, SgdTask } from './sgd-step.js';
import { quartiles } from './statistics.js';

export interface ResidentOptions {
  readonly network: NetworkName;
  readonly batch: number;
  /** So many steps before the peak is read. */
  readonly steps: number;
}

/** Bytes: after the imports, and at most. */
interface Memory {
  readonly baseline: number;
  readonly peak: number;
}

const main = fileURLToPath(new URL('main.js', import.meta.url));

/** What the fresh process does: prints "baseline peak". */
export async function printResident(backend: string, threads: number, options: ResidentOptions): Promise<void> {
  await activate(backend, threads);
  const baseline = residentBytes('VmRSS');
  const task = new SgdTask(options.network, options.batch);
  for (let i = 0; i < options.steps; i++) await task.step();
  process.stdout.write(`${baseline} ${residentBytes('VmHWM')}\n`);
}

/** Two rows: the peak, and what it has beyond the process after its imports. Only the peak has a bound. */
export async function measureResident(
  backend: BenchBackend,
  device: string | null,
  options: ResidentOptions,
  repetitions: number,
): Promise<Row[]> {
  const ours: Memory[] = [];
  const torch: Memory[] = [];
  for (let i = 0; i < repetitions; i++) {
    ours.push(await oursInFreshProcess(backend, options));
    if (device !== null) torch.push(await torchInFreshProcess(backend.threads, device, options));
  }
  const name = `of ${options.steps} SGD steps of ${options.network}, batch ${options.batch}`;
  const row = (text: string, bytes: (memory: Memory) => number, bound: number | null): Row => {
    const megabytes = (of: readonly Memory[]) => quartiles(of.map((memory) => bytes(memory) / 1e6));
    const peer = torch.length > 0 ? { name: 'PyTorch', value: megabytes(torch) } : undefined;
    return {
      section: 'resident',
      name: text,
      unit: 'MB',
      ours: megabytes(ours),
      peers: peer ? [peer] : [],
      checks: bound === null ? [] : check(megabytes(ours), peer, 'at most', bound),
      note: null,
    };
  };
  return [
    row(`peak resident memory ${name}`, ({ peak }) => peak, 1),
    row(`the same without what the process had after its imports`, ({ peak, baseline }) => peak - baseline, null),
  ];
}

async function oursInFreshProcess(backend: BenchBackend, { network, batch, steps }: ResidentOptions): Promise<Memory> {
  const args = ['--backend', backend.name, '--threads', String(backend.threads), '--model', network];
  const { stdout } = await promisify(execFile)(process.execPath, [
    main,
    'resident-step',
    ...args,
    '--batch',
    String(batch),
    '--steps',
    String(steps),
  ]);
  return parse(stdout);
}

async function torchInFreshProcess(threads: number, device: string, options: ResidentOptions): Promise<Memory> {
  const peer = await startTorch(threads, device);
  if ('absent' in peer) throw new Error(peer.absent);
  try {
    return parse(await peer.process.ask(`memory ${options.network} ${options.batch} ${options.steps}`));
  } finally {
    peer.process.stop();
  }
}

function parse(text: string): Memory {
  const [baseline = NaN, peak = NaN] = text.trim().split(' ').map(Number);
  if (!(baseline > 0 && peak >= baseline)) throw new Error(`no memory sizes: ${text}`);
  return { baseline, peak };
}

/**
 * VmRSS (now) or VmHWM (at most so far). Where there is no /proc, both are getrusage's maximum, which on Linux survives
 * exec, so that it could be the maximum of the process that started this one.
 */
export function residentBytes(field: 'VmRSS' | 'VmHWM'): number {
  try {
    const found = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
    if (found) return Number(found[1]) * 1024;
  } catch {
    // not Linux
  }
  return process.resourceUsage().maxRSS * 1024;
}
