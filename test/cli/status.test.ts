import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusCommand } from '../../src/cli/status.js';
import { openRun, type RunWriter } from '../../src/lab/results/store.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from '../lab/results/support.js';
import { run } from './support.js';

const folder = temporaryFolder();

function open(seed: number, root = 'runs'): RunWriter {
  const writer = openRun(join(folder.path, 'data', root), someSpec({ seed }), someEnvironment);
  if (writer === 'done') throw new Error('done already');
  return writer;
}

test('every run with its state, progress, losses and reason', async () => {
  const done = open(0);
  done.append(someRow(100));
  done.finish('done');
  const failed = open(1);
  failed.append(someRow(50, { train_loss: NaN }));
  failed.finish('failed', 'diverged at step 50');
  open(2);
  writeFileSync(join(open(3).dir, 'run.json'), '');
  const lines = (await run(statusCommand(), folder.path)).split('\n').map((line) => line.trim());
  expect(lines[0]).toMatch(/^run +state +progress +train loss +test loss +test acc\. +when +reason$/);
  expect(lines[1]).toMatch(/^exp01\/sgd\/seed0 +done +100% +2\.2500 +2\.2800 +11\.0% +\d{4}-\d\d-\d\d \d\d:\d\d$/);
  expect(lines[2]).toMatch(/^exp01\/sgd\/seed1 +failed +25% +NaN .* diverged at step 50$/);
  expect(lines[3]).toMatch(/^exp01\/sgd\/seed2 +running +0% +- +- +- /);
  expect(lines[4]).toMatch(/^exp01\/sgd\/seed3 +unreadable +0% .*run\.json: unreadable/);
});

test('quick runs and other folders are looked at when asked for', async () => {
  open(7, 'runs-quick').finish('done');
  open(8, 'elsewhere').finish('done');
  expect(await run(statusCommand(), folder.path)).toBe('No runs in data/runs yet: `hbp run` makes some.\n');
  expect(await run(statusCommand(), folder.path, '--quick')).toContain('exp01/sgd/seed7');
  expect(await run(statusCommand(), folder.path, '--runs', 'data/elsewhere')).toContain('exp01/sgd/seed8');
});

test('JSON is one document, also without runs', async () => {
  expect(JSON.parse(await run(statusCommand(), folder.path, '--json'))).toEqual([]);
  const writer = open(0);
  writer.append(someRow(100));
  writer.finish('interrupted', 'Ctrl-C');
  expect(JSON.parse(await run(statusCommand(), folder.path, '--json'))).toMatchObject([
    { experiment: 'exp01', variant: 'sgd', seed: 0, state: 'interrupted', reason: 'Ctrl-C', progress: 0.5 },
  ]);
});
