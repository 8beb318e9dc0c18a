import { appendFileSync, copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../../src/errors.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { Checkpoint } from '../../../src/lab/results/checkpoint.js';
import { inspectRun } from '../../../src/lab/results/inspect.js';
import { readMetrics } from '../../../src/lab/results/metrics.js';
import { readRecord } from '../../../src/lab/results/record.js';
import { readContainer, writeContainer } from '../../../src/lab/results/safetensors.js';
import { isDone, openRun, type OpenOptions, runDir, type RunWriter } from '../../../src/lab/results/store.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from './support.js';

const folder = temporaryFolder();
const dir = (): string => runDir(folder.path, someSpec());
const newest = (): string => join(dir(), 'checkpoint.safetensors');
const before = (): string => join(dir(), 'checkpoint.previous.safetensors');

function open(spec: RunSpec = someSpec(), options: OpenOptions = {}, environment = someEnvironment): RunWriter {
  const run = openRun(folder.path, spec, environment, options);
  if (run === 'done') throw new Error('done already');
  return run;
}

/** A hundred steps are an epoch. */
function someCheckpoint(step: number): Checkpoint {
  return {
    step,
    epoch: step / 100,
    random: { shuffle: [1, -2, 3, 2 ** 31 - 1], subset: [5, 6, 7, -(2 ** 31)] },
    clock: { wallMs: 1000 * step + 1 / 3, asideMs: 0.1 },
    memoryLimit: 2 ** 33,
    numbers: { 'optimizer.newton.alpha': 0.1 + 0.2 },
    arrays: {
      'parameters.0.weight': { shape: [2, 3], values: Float32Array.of(1, -0, NaN, Infinity, 1e-45, step) },
      'parameters.0.bias': { shape: [], values: Float32Array.of(0.1) },
      'optimizer.none': { shape: [0, 4], values: new Float32Array() },
    },
  };
}

/** Rows at steps 1, 50 and 100, checkpoints at 50 and 100, and a row at 150 that no checkpoint knows. */
function makeInterrupted(spec = someSpec()): void {
  const run = open(spec);
  run.append(someRow(1));
  run.append(someRow(50));
  run.checkpoint(someCheckpoint(50));
  run.append(someRow(100));
  run.checkpoint(someCheckpoint(100));
  run.append(someRow(150));
  run.finish('interrupted', 'Ctrl-C');
}

const stepsIn = (): number[] => readMetrics(dir()).map(({ step }) => step);

describe('an interrupted run', () => {
  test('goes on from its last checkpoint, with the rows up to that', () => {
    makeInterrupted();
    expect(inspectRun(dir())).toMatchObject({ state: 'interrupted', goesOnAt: { step: 100, epoch: 1 } });
    const { startedAt } = readRecord(dir());
    const run = open();
    expect(run.notes).toEqual(['goes on at epoch 1']);
    expect(run.resume).toEqual(someCheckpoint(100));
    expect(Object.is(run.resume?.arrays['parameters.0.weight']?.values[1], -0)).toBe(true);
    expect(stepsIn()).toEqual([1, 50, 100]);
    expect(inspectRun(dir())).toMatchObject({ state: 'running', goesOnAt: null });
    expect(readRecord(dir())).toMatchObject({
      startedAt,
      lastRow: someRow(100),
      continued: [{ step: 100, changes: [] }],
    });
    run.append(someRow(150));
    run.finish('done');
    expect(stepsIn()).toEqual([1, 50, 100, 150]);
    expect(readRecord(dir()).wallSeconds).toBeGreaterThanOrEqual(100);
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json']);
  });

  test('with a torn last line, or rows that are not its own, has them put right', () => {
    makeInterrupted();
    writeFileSync(join(dir(), 'metrics.csv'), 'step,epoch\n7,7\n1');
    const run = open();
    expect(stepsIn()).toEqual([1, 50, 100]);
    run.append(someRow(150));
    appendFileSync(join(dir(), 'metrics.csv'), '200,2,');
    run.finish('failed', 'ENOSPC: no space left on device, write');
    expect(open().resume?.step).toBe(100);
    expect(stepsIn()).toEqual([1, 50, 100]);
  });

  test('goes on without its run.json and its metrics, too', () => {
    makeInterrupted();
    for (const file of ['run.json', 'metrics.csv']) rmSync(join(dir(), file));
    expect(inspectRun(dir())).toMatchObject({ state: 'unreadable', goesOnAt: { step: 100 } });
    expect(open().resume?.step).toBe(100);
    expect(stepsIn()).toEqual([1, 50, 100]);
  });

  test('goes on elsewhere, and says what is not as before', () => {
    makeInterrupted();
    const run = open(someSpec(), {}, { ...someEnvironment, backend: 'native', threads: 2 });
    expect(run.notes).toEqual(['goes on at epoch 1, not as before: backend "cpu" -> "native", threads 1 -> 2']);
    run.checkpoint(someCheckpoint(150));
    run.finish('interrupted');
    open(someSpec(), {}, { ...someEnvironment, backend: 'native', threads: 2 });
    expect(readRecord(dir())).toMatchObject({
      backend: 'native',
      continued: [
        { step: 100, changes: ['backend "cpu" -> "native"', 'threads 1 -> 2'] },
        { step: 150, changes: [] },
      ],
    });
  });

  test('starts from scratch by force', () => {
    makeInterrupted();
    expect(open(someSpec(), { force: true })).toMatchObject({ resume: null, notes: [] });
    expect(stepsIn()).toEqual([]);
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json', 'run.lock']);
  });

  test('leaves nothing behind that a killed process had not finished', () => {
    makeInterrupted();
    for (const file of ['run.json.123', 'metrics.csv.45', 'checkpoint.partial']) writeFileSync(join(dir(), file), 'x');
    open().finish('done');
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json']);
  });
});

describe('a checkpoint is never used', () => {
  const flip = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes[at < 0 ? bytes.length + at : at]! ^= 4;
    writeFileSync(path, bytes);
  };
  const rewrite = (path: string, change: Record<string, string>): void => {
    const { metadata, entries } = readContainer(path);
    writeContainer(path, { metadata: { ...metadata, ...change }, entries });
  };

  test.each<[string, (path: string) => void, RegExp]>([
    ['whose length is damaged', (path) => flip(path, 2), /it is torn/],
    ['whose header is damaged', (path) => flip(path, 8), /its header is no JSON/],
    ['whose numbers are damaged', (path) => flip(path, -40), /its checksum is wrong/],
    ['whose checksum is damaged', (path) => flip(path, -1), /its checksum is wrong/],
    ['that is torn', (path) => truncateSync(path, readFileSync(path).length - 1), /it is torn/],
    ['that is empty', (path) => truncateSync(path, 0), /it is torn/],
    ['of another version', (path) => rewrite(path, { version: '0' }), /its version is 0, and this hbp reads version 1/],
    ['of something else', (path) => rewrite(path, { kind: 'network' }), /it is no checkpoint of hbp/],
    [
      'that says nothing of itself',
      (path) => rewrite(path, { about: '{}' }),
      /what it says of itself is wrong at spec/,
    ],
  ])('%s: the one before is', (_name, damage, reason) => {
    makeInterrupted();
    damage(newest());
    const run = open();
    expect(run.resume?.step).toBe(50);
    expect(stepsIn()).toEqual([1, 50]);
    expect(run.notes).toEqual([
      expect.stringMatching(/^goes on at epoch 0\.5 \(checkpoint\.safetensors is of no use: /),
    ]);
    expect(run.notes[0]).toMatch(reason);
    run.finish('interrupted');
    expect(open()).toMatchObject({ resume: { step: 50 }, notes: ['goes on at epoch 0.5'] });
  });

  test('where both are damaged: the run starts again', () => {
    makeInterrupted();
    truncateSync(newest(), 100);
    flip(before(), -1);
    const run = open();
    expect(run.resume).toBeNull();
    expect(run.notes).toEqual([
      'starts again (checkpoint.safetensors is of no use: it is torn; ' +
        'checkpoint.previous.safetensors is of no use: its checksum is wrong)',
    ]);
    expect(stepsIn()).toEqual([]);
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json', 'run.lock']);
  });

  test.each<[string, Partial<RunSpec>, string]>([
    [
      'other settings',
      { optimizer: { kind: 'sgd', lr: 0.2, momentum: 0.9 } },
      'it has other settings (optimizer.lr 0.1 -> 0.2)',
    ],
    ['fewer epochs', { epochs: 0.25 }, 'it stands at epoch 1, beyond the end'],
  ])('for %s', (_name, change, reason) => {
    makeInterrupted();
    const run = open(someSpec(change));
    expect(run.resume).toBeNull();
    expect(run.notes[0]).toContain(reason);
    run.finish('done');
    expect(readRecord(dir()).spec).toEqual(someSpec(change));
  });

  test('for another seed, put in its place', () => {
    makeInterrupted();
    const other = someSpec({ seed: 1 });
    open(other).finish('interrupted');
    copyFileSync(newest(), join(runDir(folder.path, other), 'checkpoint.safetensors'));
    const run = open(other);
    expect(run.resume).toBeNull();
    expect(run.notes[0]).toContain('it has other settings (it is one of exp01/sgd/seed0)');
  });

  test('on other bytes of the dataset', () => {
    makeInterrupted();
    const environment = { ...someEnvironment, dataset: { ...someEnvironment.dataset, fingerprint: 'sha256:bb' } };
    const run = open(someSpec(), {}, environment);
    expect(run.resume).toBeNull();
    expect(run.notes[0]).toContain('it was made on other data (fingerprint sha256:aa -> sha256:bb)');
  });
});

describe('a done run', () => {
  function makeDone(keepCheckpoint: boolean): void {
    const run = open(someSpec(), { keepCheckpoint });
    run.append(someRow(1));
    run.checkpoint(someCheckpoint(50));
    run.append(someRow(200));
    run.checkpoint(someCheckpoint(200));
    run.finish('done');
  }

  test('keeps its last checkpoint on request, and goes on with more epochs', () => {
    makeDone(true);
    expect(readdirSync(dir()).sort()).toEqual(['checkpoint.safetensors', 'metrics.csv', 'run.json']);
    expect(isDone(folder.path, someSpec())).toBe(true);
    const longer = someSpec({ epochs: 4 });
    expect(isDone(folder.path, longer)).toBe(false);
    const run = open(longer);
    expect(run.resume?.step).toBe(200);
    expect(readRecord(dir())).toMatchObject({ state: 'running', spec: longer });
    run.finish('done');
  });

  test('stays as it is where it cannot go on', () => {
    makeDone(false);
    const longer = (): unknown => open(someSpec({ epochs: 4 }));
    expect(longer).toThrow(ConfigError);
    expect(longer).toThrow('epochs 2 -> 4; it cannot go on, for it was trained without --keep-checkpoint');
    expect(() => open(someSpec({ epochs: 1 }))).toThrow(/already done .* with other settings \(epochs 2 -> 1\)/);
    expect(inspectRun(dir()).state).toBe('done');
  });

  test('is not harmed by a checkpoint that turns out to be damaged', () => {
    makeDone(true);
    truncateSync(newest(), readFileSync(newest()).length - 1);
    expect(() => open(someSpec({ epochs: 4 }))).toThrow(
      /already done .*\(epochs 2 -> 4; checkpoint\.safetensors is of no use: it is torn\)/,
    );
    expect(inspectRun(dir())).toMatchObject({ state: 'done' });
    expect(stepsIn()).toEqual([1, 200]);
    expect(openRun(folder.path, someSpec(), someEnvironment)).toBe('done');
  });
});

test('the file is one that readers of safetensors open', () => {
  makeInterrupted();
  const bytes = readFileSync(newest());
  const size = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + size)) as Record<string, { data_offsets: [number, number] }>;
  expect(size % 8).toBe(0);
  expect(header).toMatchObject({
    __metadata__: { kind: 'hbp checkpoint', version: '1' },
    'parameters.0.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    'metrics.csv': { dtype: 'U8' },
    sha256: { dtype: 'U8', shape: [32] },
  });
  expect(8 + size + header['sha256']!.data_offsets[1]).toBe(bytes.length);
  expect(bytes.readFloatLE(8 + size + 5 * 4)).toBe(100);
});
