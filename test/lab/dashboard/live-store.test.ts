import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DiagnosticsMessage, RowsMessage, RunSummary } from '../../../src/lab/dashboard/api.js';
import { LiveStore } from '../../../src/lab/dashboard/live-store.js';
import { formatRow, metricsHeader } from '../../../src/lab/results/metrics.js';
import { openRun } from '../../../src/lab/results/store.js';
import { someEnvironment, someSpec, temporaryFolder } from '../results/support.js';
import { appendRow, rowAt, until, writeRun } from './fixtures.js';

const folder = temporaryFolder();
let store: LiveStore | undefined;
afterEach(() => store?.close());

/** What a store told. */
interface Told {
  readonly changed: RunSummary[];
  readonly removed: string[];
  readonly rows: RowsMessage[];
  readonly diagnostics: DiagnosticsMessage[];
  readonly problems: string[];
}

/** @param lookEvery  so large that only watching can tell, or small for looking alone */
async function open(root = folder.path, lookEvery = 1e9): Promise<Told> {
  const told: Told = { changed: [], removed: [], rows: [], diagnostics: [], problems: [] };
  store = await LiveStore.open({
    root,
    lookEvery,
    listener: {
      onRuns: (changed, removed) => {
        told.changed.push(...changed);
        told.removed.push(...removed);
      },
      onRows: (message) => told.rows.push(message),
      onDiagnostics: (message) => told.diagnostics.push(message),
      onProblem: (message) => told.problems.push(message),
    },
  });
  return told;
}

const steps = (messages: readonly RowsMessage[]): unknown[] => messages.flatMap(({ columns }) => columns['step'] ?? []);

test('lists runs by experiment, variant and seed, with what they come to', async () => {
  writeRun(folder.path, { seed: 10 });
  writeRun(folder.path, { seed: 2 }, 5, { state: 'failed', reason: 'diverged' });
  writeRun(folder.path, { experiment: 'exp00', variant: 'cg' }, 0);
  writeFileSync(join(folder.path, 'a file'), '');
  const told = await open();
  expect(store!.summaries.map(({ name, state }) => `${name} ${state}`)).toEqual([
    ...['exp00/cg/seed0 done', 'exp01/sgd/seed2 failed', 'exp01/sgd/seed10 done'],
  ]);
  expect(store!.summaries[1]).toMatchObject({
    reason: 'diverged',
    step: 41,
    testLoss: rowAt(4).test_loss,
    stepSeconds: expect.closeTo(0.05) as number,
  });
  expect(told.changed).toEqual([]);
});

test('tells every row of a real writer once, in order, and how the run ends', async () => {
  const told = await open(join(folder.path, 'not', 'there', 'yet'), 50);
  const writer = openRun(join(folder.path, 'not', 'there', 'yet'), someSpec(), someEnvironment);
  if (writer === 'done') throw new Error('done already');
  await until(() => told.changed.some(({ state }) => state === 'running'));
  for (let i = 0; i < 30; i++) {
    writer.append(rowAt(i));
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  writer.finish('done');
  await until(() => told.changed.at(-1)?.state === 'done' && (told.rows.at(-1)?.columns['step'] ?? []).includes(291));
  const whole = await store!.rows('exp01/sgd/seed0', ['step', 'test_loss']);
  expect(whole!.columns['step']).toEqual(Array.from({ length: 30 }, (_, i) => rowAt(i).step));
  // The first rows may have been there before the run was found; from then on each comes once.
  const seen = steps(told.rows);
  expect(seen).toEqual(whole!.columns['step']!.slice(-seen.length));
  expect(told.rows.at(-1)!.to).toBe(whole!.to);
  expect(told.problems).toEqual([]);
});

test('by watching alone: a row, a torn row, a new run, diagnostics', async () => {
  const dir = writeRun(folder.path);
  const told = await open();
  const end = (await store!.rows('exp01/sgd/seed0', ['step']))!.to;
  appendRow(dir, rowAt(3));
  await until(() => told.rows.length === 1);
  expect(told.rows[0]).toMatchObject({
    run: 'exp01/sgd/seed0',
    from: end,
    columns: { step: [31], test_loss: [rowAt(3).test_loss] },
  });
  const line = formatRow({ ...rowAt(4), test_loss: NaN });
  appendFileSync(join(dir, 'metrics.csv'), line.slice(0, 20));
  appendFileSync(join(dir, 'diagnostics.jsonl'), '{"step":1,"epoch":0.1,"damping":0.5,"layers":[]}\n');
  await until(() => told.diagnostics.length === 1 && told.changed.some(({ hasDiagnostics }) => hasDiagnostics));
  expect(told.rows).toHaveLength(1);
  appendFileSync(join(dir, 'metrics.csv'), line.slice(20));
  await until(() => told.rows.length === 2);
  expect(told.rows[1]!.columns).toMatchObject({ step: [41], test_loss: [null] });
  writeRun(folder.path, { experiment: 'mine', variant: 'new', seed: 4 });
  await until(() => told.changed.some(({ name }) => name === 'mine/new/seed4'));
});

test('a run that is begun anew says so, however long it has become; one that is gone is named', async () => {
  const dir = writeRun(folder.path, {}, 3, { startedAt: '2020-01-01T00:00:00.000Z' });
  const told = await open();
  writeRun(folder.path, {}, 6, { startedAt: '2021-01-01T00:00:00.000Z' });
  await until(() => told.rows.some(({ restarted }) => restarted === true));
  expect(steps(told.rows.slice(told.rows.findLastIndex(({ restarted }) => restarted)))).toHaveLength(6);
  writeFileSync(join(dir, 'metrics.csv'), metricsHeader);
  await until(() => told.rows.at(-1)?.to === metricsHeader.length && told.rows.at(-1)?.restarted === true);
  rmSync(dir, { recursive: true });
  await until(() => told.removed.includes('exp01/sgd/seed0') || told.changed.at(-1)?.state === 'unreadable');
});

test('a process that ends without a word is found out', async () => {
  const owner = { pid: 2 ** 22 + 1, host: hostname(), started: 'boot:1' };
  writeRun(folder.path, {}, 2, { state: 'running', finishedAt: null, owner });
  await open();
  expect(store!.summaries[0]).toMatchObject({ state: 'interrupted', secondsLeft: null });
});

test('two hundred runs of two thousand rows: listed at once, followed within a second, not kept in memory', async () => {
  const dirs = Array.from({ length: 200 }, (_, i) =>
    writeRun(folder.path, { experiment: `exp${i % 2}`, variant: `v${Math.floor(i / 20)}`, seed: i % 20 }, 2000),
  );
  const before = process.memoryUsage().heapUsed;
  const began = performance.now();
  const told = await open(folder.path, 1000);
  expect(store!.summaries).toHaveLength(200);
  expect(performance.now() - began).toBeLessThan(2000);

  for (const [i, dir] of dirs.entries()) {
    if (i % 20 !== 0) continue;
    const appended = performance.now();
    appendRow(dir, rowAt(2000));
    await until(() => told.rows.length === i / 20 + 1);
    expect(performance.now() - appended).toBeLessThan(1000);
  }
  const rows = await store!.rows('exp0/v0/seed0', ['step', 'epoch', 'wall_s', 'test_loss']);
  expect(rows!.columns['step']).toHaveLength(2001);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60e6);
  // Nothing of all that was read again for it.
  expect(told.rows.every(({ columns }) => columns['step']!.length === 1)).toBe(true);
});
