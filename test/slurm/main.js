/**
 * `npm run test:slurm`: a job array on a real Slurm, with a task told to stop, one killed and one cancelled, ends in the
 * runs that `hbp run` makes. Leaves itself out where Slurm cannot start; leaves no daemon and no file behind.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NoSlurm, startCluster } from './cluster.js';

const execute = promisify(execFile);
const hbpFile = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
const variants = ['sgd', 'cg-ggn'];
const seeds = [0, 1, 2];
const runs = variants.flatMap((variant) => seeds.map((seed) => `exp01/${variant}/seed${seed}`));
const [stopped, killed, cancelled] = ['exp01/sgd/seed0', 'exp01/cg-ggn/seed0', 'exp01/cg-ggn/seed2'];
/** For whatever is waited for. */
const patienceMs = 150_000;

const began = Date.now();
const say = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`);

let cluster;
try {
  cluster = await startCluster();
} catch (error) {
  if (!(error instanceof NoSlurm)) throw error;
  console.log(`the test with Slurm is left out: ${error.message}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'hbp-slurm-runs-'));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void cleanUp().then(() => process.exit(1)));
try {
  await scenario(folder, { ...cluster.environment, NODE_OPTIONS: '', NO_COLOR: '1' });
  say('all well');
} finally {
  await cleanUp();
}

async function cleanUp() {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

async function scenario(cwd, env) {
  const call = async (command, ...args) => (await execute(command, args, { cwd, env, maxBuffer: 2 ** 26 })).stdout;
  const hbp = (...args) => call(process.execPath, hbpFile, ...args);
  const what = ['exp01', '--quick', '--epochs', '2', '--variant', ...variants, '--seeds', '0-2'];
  const submit = async () => JSON.parse(await hbp('submit', 'slurm', ...what, '--json'));
  const status = async () => {
    const found = JSON.parse(await hbp('status', '--quick', '--json'));
    return new Map(found.map((run) => [`${run.experiment}/${run.variant}/seed${run.seed}`, run]));
  };
  const record = (run) => {
    try {
      return JSON.parse(readFileSync(join(cwd, 'data/runs-quick', run, 'run.json'), 'utf8'));
    } catch {
      return undefined; // not there yet
    }
  };
  const waitFor = async (run, isSo) => {
    await until(() => record(run) && isSo(record(run)), run);
    return record(run);
  };

  const { job, folder: submission, submitted } = await submit();
  assert.deepEqual(submitted, runs);
  say(`job array ${job}: ${runs.length} tasks`);
  const taskOf = (run) => `${job}_${runs.indexOf(run)}`;
  // Held at its first row, so that it cannot be done before it is killed.
  const held = waitFor(killed, ({ lastRow }) => lastRow).then(() =>
    signal(call, '--full', '--signal=STOP', taskOf(killed)),
  );
  held.catch(() => undefined); // its error is that of the `await` below
  await waitFor(stopped, ({ lastRow }) => lastRow);
  await signal(call, '--batch', '--signal=TERM', taskOf(stopped));
  const { reason } = await waitFor(stopped, ({ state }) => state === 'interrupted');
  assert.match(reason, /^stopped after step \d+ of 100$/);
  await requeue(call, taskOf(stopped));
  say(`${stopped} told to stop (${reason}), its task queued again`);

  const again = await submit();
  assert.equal(again.job, null);
  say('submitted again: nothing, all wait, run or are done');

  await hbp('cancel', cancelled, '--quick');
  assert.equal((await status()).get(killed).cluster.job, job);
  assert.equal((await status()).get(cancelled), undefined);
  say(`${cancelled} cancelled`);

  await held;
  await signal(call, '--full', '--signal=KILL', taskOf(killed));
  await requeue(call, taskOf(killed));
  say(`${killed} killed, its task queued again`);

  const third = await submit();
  assert.deepEqual(third.submitted, [cancelled]);
  say(`submitted again: ${cancelled} alone, as job ${third.job}`);
  const twin = (await call('sbatch', '--parsable', '--output=twin-%a.log', join(submission, 'job.sh'))).trim();
  say(`a second array over the same runs, as job ${twin}`);

  for (const run of runs) await waitFor(run, ({ state }) => state === 'done');
  say('all runs are done');
  assert.match(await hbp('logs', stopped, '--quick'), /seed0: goes on at epoch \d/);
  assert.match(await hbp('logs', killed, '--quick', '--follow'), /cg-ggn\/seed0: (goes on at epoch|starts again)/);
  await until(async () => (await call('squeue', '--noheader')).trim() === '');
  for (const name of readdirSync(cwd).filter((file) => /^twin-\d+\.log$/.test(file))) {
    assert.match(readFileSync(join(cwd, name), 'utf8'), /done before, skipped|left to it|: done$/m);
  }

  await hbp('run', ...what, '--jobs', '2', '--threads', '1', '--runs', 'plain');
  for (const run of runs) {
    const rows = (root) => withoutTimes(readFileSync(join(cwd, root, run, 'metrics.csv'), 'utf8'));
    assert.deepEqual(rows('data/runs-quick'), rows('plain'), run);
    assert.equal(rows('plain').length, 4); // a header, an evaluation in each epoch, one at the end
  }
  say('their metrics are those of plain `hbp run`');

  await hbp('plot', 'exp01/train_loss', '--quick', '--format', 'svg', '--out', 'fig');
  assert.match(readFileSync(join(cwd, 'fig/exp01/train_loss.svg'), 'utf8'), /mean ± std over 3 seeds/);
  assert.ok(existsSync(dirname(submission)));
  say('merged and drawn');
}

/** scancel says it again when the controller is busy, and then complains that the task has ended: what comes of it tells. */
async function signal(call, ...options) {
  await call('scancel', ...options).catch(() => undefined);
}

/** What has just ended may not have left the node yet. */
async function requeue(call, task) {
  await until(async () => {
    try {
      await call('scontrol', 'requeue', task);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {string} [what]  for the error */
async function until(isSo, what = 'the scheduler') {
  for (const begin = Date.now(); Date.now() - begin < patienceMs;) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Rows without their two columns of time. */
function withoutTimes(csv) {
  return csv
    .trim()
    .split('\n')
    .map((line) => line.split(',').toSpliced(2, 2).join(','));
}
