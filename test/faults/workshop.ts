/** A folder with finished work in it, and hbp as a process that faults happen to: needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  lstatSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { checkpointsOf } from '../../src/lab/results/checkpoint.js';
import { type Ended, hbpEnvironment, hbpFile, type Started, startHbp } from '../cli/support.js';

/** Two variants, of which one is finished before any fault and the other is what faults happen to. */
export const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [12, 8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 8
seeds: 0
quick: { epochs: 8, trainSamples: 130, testSamples: 50, seeds: '0' }
variants:
  finished: { label: Finished, optimizer: { kind: sgd, lr: 0.1, momentum: 0.9 } }
  cg: { label: CG, optimizer: { kind: cg-newton, secondOrder: abs, lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50, blocks: 2 } }
figures:
  - { file: fig_tiny, metric: train_loss, series: [finished, cg] }
`;
export const runsFolder = join('data', 'runs-quick');
export const cgDir = join(runsFolder, 'tiny', 'cg', 'seed0');
const finishedDir = join(runsFolder, 'tiny', 'finished');

/** Trains what is not done; a checkpoint after every step, so that faults hit the writing of one, too. */
export const trainAll = [
  'run',
  './tiny.yaml',
  '--quick',
  '--threads',
  '1',
  '--keep-checkpoint',
  '--checkpoint-every',
  '0',
];
export const trainCg = [...trainAll, '--variant', 'cg'];

export interface Workshop {
  /** Where hbp runs. */
  readonly folder: string;
  readonly at: (...path: string[]) => string;
  readonly start: (...args: string[]) => Started;
  readonly hbp: (...args: string[]) => Promise<Ended>;
  /** Throws if a byte of what was finished has changed. */
  readonly expectFinishedUnharmed: () => void;
}

/** A folder for a test file; both variants are trained once in `reference`, and each `fresh` folder has the finished one. */
export function workshops(): { fresh: () => Workshop; reference: () => Workshop } {
  const root = mkdtempSync(join(tmpdir(), 'hbp-faults-'));
  const reference = workshop(join(root, 'reference'));
  let count = 0;
  beforeAll(async () => {
    writeTiny(reference.folder);
    expectFine(await reference.hbp(...trainAll));
  }, 300_000);
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const fresh = (): Workshop => {
    const made = workshop(join(root, String(count++)), reference.folder);
    writeTiny(made.folder);
    cpSync(reference.at(finishedDir), made.at(finishedDir), { recursive: true });
    return made;
  };
  return { fresh, reference: () => reference };
}

function writeTiny(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'tiny.yaml'), experiment);
}

function workshop(folder: string, reference = folder): Workshop {
  const start = (...args: string[]): Started => startHbp(folder, args, { group: true });
  const finished = (of: string): Record<string, string> => digests(join(of, finishedDir));
  return {
    folder,
    at: (...path) => join(folder, ...path),
    start,
    hbp: (...args) => start(...args).ended,
    expectFinishedUnharmed: () => expect(finished(folder)).toEqual(finished(reference)),
  };
}

/** The bytes of every file below a folder, as digests by path. */
export function digests(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder, path))
      .filter((path) => lstatSync(path).isFile())
      .sort()
      .map((path) => [relative(folder, path), createHash('sha256').update(readFileSync(path)).digest('hex')]),
  );
}

/** What training has come to: rows without their times, parameters and the optimiser's state. */
export function resultOf(dir: string): unknown {
  const [last] = [...checkpointsOf(dir)];
  if (!last || 'damage' in last) throw new Error(`no checkpoint in ${dir}`);
  const { step, random, numbers, arrays } = last.stored.state;
  const bytes = Object.entries(arrays).map(([name, { values }]) => [
    name,
    createHash('sha256').update(Buffer.from(values.buffer)).digest('hex'),
  ]);
  return { rows: rowsOf(dir), step, random, numbers, bytes };
}

/** Rows of a run without their times. */
export function rowsOf(dir: string): unknown {
  const lines = readFileSync(join(dir, 'metrics.csv'), 'utf8').split('\n');
  return lines.map((line) => line.split(',').toSpliced(2, 2));
}

/** To the process and all that it has started. */
export function killGroup({ child }: Started, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended meanwhile
  }
}

/** @throws Error  with what it said, unless it ended well */
export function expectFine(ended: Ended): Ended {
  if (ended.code === 0) return ended;
  throw new Error(
    `ended with ${ended.signal ?? ended.code}: ${ended.stderr.trimEnd().split('\n').slice(-3).join(' | ')}`,
  );
}

/** One line for a person, and the exit code: no stack, no second complaint. */
export function expectOneLine({ code, stderr }: Ended, expectedCode: number, message: RegExp): void {
  expect({ code, stderr: stderr.trimEnd().split('\n').at(-1) }).toEqual({
    code: expectedCode,
    stderr: expect.stringMatching(message) as unknown,
  });
  expectNoStack({ stderr });
}

export function expectNoStack({ stderr }: Pick<Ended, 'stderr'>): void {
  expect(stderr).not.toMatch(/\n {4}at |^hbp: hbp:|node:internal/);
}

/** A mount namespace of its own, with which the rights of root come in it. */
const unshare = ['-rm', 'sh', '-ec'];

/** Why no mount namespace of one's own can be had; null: it can. */
export const noMounts: string | null = (() => {
  const { status, error } = spawnSync('unshare', [...unshare, 'mount -t tmpfs none /mnt'], { stdio: 'ignore' });
  if (error) return 'there is no unshare here';
  return status === 0 ? null : 'mounting is not allowed here';
})();

/** Ends a shell script by hbp with these arguments; what it prints, and hbp's exit code. */
export function hbpAfter(folder: string, prepare: string, args: readonly string[], finish = ''): Ended {
  const hbp = [process.execPath, hbpFile, ...args].map((word) => `'${word}'`).join(' ');
  const script = `${prepare}\ncode=0\n${hbp} || code=$?\n${finish}\nexit $code`;
  const options = { cwd: folder, env: hbpEnvironment(), encoding: 'utf8', timeout: 110_000 } as const;
  const { status, signal, stdout, stderr } = spawnSync('unshare', [...unshare, script], options);
  return { code: status, signal, stdout, stderr };
}
