import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ConfigError, RunError } from '../../../src/errors.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import { inspectRun, listRuns } from '../../../src/lab/results/inspect.js';
import { readMetrics } from '../../../src/lab/results/metrics.js';
import { readRecord } from '../../../src/lab/results/record.js';
import { canonicalJson, specDifferences, specHash } from '../../../src/lab/results/spec-hash.js';
import { isDone, openRun, runDir, type RunWriter } from '../../../src/lab/results/store.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from './support.js';

const folder = temporaryFolder();
const dir = (spec: RunSpec = someSpec()): string => runDir(folder.path, spec);

function open(spec = someSpec(), options: { force?: boolean; environment?: typeof someEnvironment } = {}): RunWriter {
  const run = openRun(folder.path, spec, options.environment ?? someEnvironment, options);
  if (run === 'done') throw new Error('done already');
  return run;
}

function makeDone(spec = someSpec()): void {
  const run = open(spec);
  run.append(someRow(0));
  run.finish('done');
}

describe('a run from beginning to end', () => {
  test('every row is in the file when append returns', () => {
    const run = open();
    expect(readMetrics(run.dir)).toEqual([]);
    run.append(someRow(0));
    expect(readMetrics(run.dir)).toEqual([someRow(0)]);
    run.append(someRow(100, { test_loss: NaN }));
    expect(readMetrics(run.dir)).toEqual([someRow(0), someRow(100, { test_loss: NaN })]);
    expect(inspectRun(run.dir)).toMatchObject({ state: 'running', progress: 0.5, reason: null });
    run.finish('done');
    expect(inspectRun(run.dir)).toMatchObject({ state: 'done', progress: 1, reason: null });
    expect(readdirSync(run.dir).sort()).toEqual(['metrics.csv', 'run.json']);
  });

  test('run.json says what, where and how it went', () => {
    const run = open();
    run.append(someRow(100, { test_loss: NaN }));
    run.finish('failed', 'diverged at step 100');
    const record = readRecord(run.dir);
    expect(record).toMatchObject({
      ...someEnvironment,
      spec: someSpec(),
      specHash: specHash(someSpec()),
      state: 'failed',
      reason: 'diverged at step 100',
      lastRow: someRow(100, { test_loss: NaN }),
      owner: { pid: process.pid },
    });
    expect(Date.parse(record.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(record.startedAt));
    expect(record.wallSeconds).toBeGreaterThanOrEqual(0);
  });

  test('only the first finish counts', () => {
    const run = open();
    run.finish('interrupted', 'Ctrl-C');
    run.finish('done');
    expect(inspectRun(run.dir)).toMatchObject({ state: 'interrupted', reason: 'Ctrl-C' });
  });

  test('the heartbeat is written every ten seconds, however often it is called', () => {
    const run = open();
    const started = readRecord(run.dir).heartbeatAt;
    const now = Date.now();
    const clock = jest.useFakeTimers({ now: now + 5000, doNotFake: ['performance', 'nextTick'] });
    run.heartbeat();
    expect(readRecord(run.dir).heartbeatAt).toBe(started);
    clock.setSystemTime(now + 20_000);
    run.heartbeat();
    expect(Date.parse(readRecord(run.dir).heartbeatAt)).toBe(now + 20_000);
    jest.useRealTimers();
    run.finish('done');
  });
});

describe('what is there already', () => {
  test('a done run with the same spec is skipped; its label does not matter', () => {
    makeDone();
    expect(openRun(folder.path, someSpec({ label: 'renamed' }), someEnvironment)).toBe('done');
    expect(isDone(folder.path, someSpec())).toBe(true);
    expect(readMetrics(dir())).toHaveLength(1);
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json']);
  });

  test.each(['failed', 'interrupted'] as const)('a %s run without a checkpoint starts again from scratch', (state) => {
    const first = open();
    first.append(someRow(0));
    first.append(someRow(1));
    first.finish(state, 'why not');
    expect(isDone(folder.path, someSpec())).toBe(false);
    expect(readMetrics(dir())).toHaveLength(2);
    const again = open();
    expect(again).toMatchObject({ resume: null, notes: ['starts again: there is no checkpoint'] });
    again.append(someRow(0));
    expect(readMetrics(dir())).toEqual([someRow(0)]);
  });

  test('force replaces a done run', () => {
    makeDone();
    const run = open(someSpec(), { force: true });
    expect(readMetrics(dir())).toEqual([]);
    expect(inspectRun(dir()).state).toBe('running');
    run.finish('done');
  });

  test('a done run with another spec is neither skipped nor overwritten', () => {
    makeDone();
    const before = readFileSync(join(dir(), 'run.json'), 'utf8');
    const other = someSpec({
      epochs: 5,
      dataset: 'synthetic-cifar10',
      optimizer: { kind: 'sgd', lr: 0.2, momentum: 0.9 },
      trainSamples: 100,
    });
    const message =
      'exp01/sgd/seed0 is already done in DIR with other settings ' +
      '(dataset "cifar10" -> "synthetic-cifar10", optimizer.lr 0.1 -> 0.2, epochs 2 -> 5, trainSamples none -> 100): ' +
      '--force replaces it, --runs DIR puts the new one elsewhere';
    for (const attempt of [() => open(other), () => isDone(folder.path, other)]) {
      expect(attempt).toThrow(new ConfigError(message.replace('DIR', folder.path)));
    }
    expect(readFileSync(join(dir(), 'run.json'), 'utf8')).toBe(before);
    expect(readMetrics(dir())).toHaveLength(1);
    open(other, { force: true }).finish('done');
    expect(readRecord(dir()).spec).toEqual(other);
  });

  test('so is a done run on other bytes of the dataset', () => {
    makeDone();
    const environment = { ...someEnvironment, dataset: { ...someEnvironment.dataset, fingerprint: 'sha256:bb' } };
    expect(() => open(someSpec(), { environment })).toThrow(/dataset fingerprint sha256:aa -> sha256:bb/);
  });

  test('a done run that lost its metrics is not done', () => {
    makeDone();
    rmSync(join(dir(), 'metrics.csv'));
    expect(isDone(folder.path, someSpec())).toBe(false);
    open().finish('done');
  });
});

describe('one writer', () => {
  test('a second one is told who holds the run', () => {
    const first = open();
    expect(() => open()).toThrow(RunError);
    expect(() => open(someSpec(), { force: true })).toThrow(
      `exp01/sgd/seed0 is being written by process ${process.pid}`,
    );
    first.append(someRow(0));
    first.finish('done');
    expect(openRun(folder.path, someSpec(), someEnvironment)).toBe('done');
  });

  const foreign = (token: string): string => JSON.stringify({ pid: 1, host: 'another-host', started: null, token });

  test('a fresh lock of another host holds, an old one does not', () => {
    mkdirSync(dir(), { recursive: true });
    writeFileSync(join(dir(), 'run.lock'), foreign('theirs'));
    expect(() => open()).toThrow('is being written by process 1 on another-host');
    jest.useFakeTimers({ now: Date.now() + 11 * 60_000, doNotFake: ['performance', 'nextTick'] });
    open().finish('done');
    jest.useRealTimers();
    expect(readdirSync(dir()).sort()).toEqual(['metrics.csv', 'run.json']);
  });

  test('a lock torn by a crash holds only while it is fresh', () => {
    mkdirSync(dir(), { recursive: true });
    writeFileSync(join(dir(), 'run.lock'), '{"pid":');
    expect(() => open()).toThrow('is being written by process 1 on an unknown host');
    jest.useFakeTimers({ now: Date.now() + 11 * 60_000, doNotFake: ['performance', 'nextTick'] });
    open().finish('done');
    jest.useRealTimers();
  });

  test('a writer that was taken over stops and leaves the other alone', () => {
    const run = open();
    writeFileSync(join(dir(), 'run.lock'), foreign('theirs'));
    const before = readFileSync(join(dir(), 'run.json'), 'utf8');
    expect(() => run.append(someRow(0))).toThrow(/was taken over by another process: this one stops/);
    run.finish('failed', 'taken over');
    expect(readFileSync(join(dir(), 'run.json'), 'utf8')).toBe(before);
    expect(readFileSync(join(dir(), 'run.lock'), 'utf8')).toBe(foreign('theirs'));
  });
});

describe('looking at runs', () => {
  test('all of them, by experiment, variant and seed', () => {
    for (const [variant, seed] of [
      ['b', 10],
      ['b', 9],
      ['a', 0],
    ] as const)
      makeDone(someSpec({ variant, seed }));
    mkdirSync(join(folder.path, 'exp01', 'a', 'notes'));
    writeFileSync(join(folder.path, 'README.md'), '');
    expect(listRuns(folder.path).map(({ variant, seed }) => `${variant}${seed}`)).toEqual(['a0', 'b9', 'b10']);
    expect(listRuns(join(folder.path, 'nowhere'))).toEqual([]);
  });

  test.each([
    ['missing', undefined, /run\.json: missing$/],
    ['torn', '{"spec":', /run\.json: unreadable: /],
    ['not a record', '{}', /run\.json: versions: /],
  ])('a run.json that is %s is unreadable, never a crash', (_name, text, reason) => {
    makeDone();
    if (text === undefined) rmSync(join(dir(), 'run.json'));
    else writeFileSync(join(dir(), 'run.json'), text);
    const [info] = listRuns(folder.path);
    expect(info).toMatchObject({ experiment: 'exp01', variant: 'sgd', seed: 0, state: 'unreadable', record: null });
    expect(info?.reason).toMatch(reason);
    open().finish('done');
    expect(listRuns(folder.path)[0]?.state).toBe('done');
  });

  test('a run whose process is gone is interrupted', () => {
    const run = open();
    const record = readRecord(run.dir);
    // The same number, started at another time: not this process.
    const owner = { ...record.owner, started: 'another-boot:1' };
    writeFileSync(join(run.dir, 'run.json'), JSON.stringify({ ...record, owner }));
    expect(inspectRun(run.dir)).toMatchObject({
      state: 'interrupted',
      reason: expect.stringMatching(/^process \d+ on .* ended without a word$/) as unknown,
    });
  });
});

describe('identity of a spec', () => {
  test('the order of keys does not matter', () => {
    expect(canonicalJson({ b: 1, a: [{ d: 1, c: 2 }] })).toBe('{"a":[{"c":2,"d":1}],"b":1}');
    const shuffled = Object.fromEntries(Object.entries(someSpec()).reverse()) as unknown as RunSpec;
    expect(specHash(shuffled)).toBe(specHash(someSpec()));
  });

  test('every number matters', () => {
    expect(specHash(someSpec({ seed: 1 }))).not.toBe(specHash(someSpec()));
    expect(specHash(someSpec({ batchSize: 1 }))).not.toBe(specHash(someSpec()));
  });

  test('differences name key paths, also where one side has none', () => {
    const other = someSpec({ model: { hidden: [3, 2], activation: 'relu' }, seed: 4, label: 'x' });
    expect(specDifferences(someSpec(), other)).toEqual([
      'model "mlp-cifar10" -> none',
      'model.hidden none -> [3,2]',
      'model.activation none -> "relu"',
    ]);
  });
});
