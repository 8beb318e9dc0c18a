/** `hbp run` as a process that is stopped and killed: needs `npm run build` (make test sees to it). */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkpointsOf } from '../../src/lab/results/checkpoint.js';
import { inspectRun, listRuns, type RunInfo } from '../../src/lab/results/inspect.js';
import { readRecord } from '../../src/lab/results/record.js';
import { temporaryFolder } from '../lab/results/support.js';
import { type Ended, hbpEnvironment, hbpFile, type Started, startHbp } from './support.js';

const folder = temporaryFolder();
const at = (...path: string[]): string => join(folder.path, ...path);
beforeEach(() => writeFileSync(at('tiny.yaml'), experiment));

const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [12, 8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 30
seeds: 0
quick: { epochs: 30, trainSamples: 130, testSamples: 50, seeds: '0' }
variants:
  adam: { label: Adam, optimizer: { kind: adam, lr: 0.001 } }
  cg: { label: CG, optimizer: { kind: cg-newton, secondOrder: abs, lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50, blocks: 2 } }
figures:
  - { file: fig_tiny, metric: train_loss, series: [adam, cg] }
`;

const train = ['run', './tiny.yaml', '--quick', '--threads', '1'];
const endless = ['--epochs', '100000'];
const start = (...args: string[]): Started => startHbp(folder.path, [...train, ...args], { group: true });
const run = (...args: string[]): Promise<Ended> => start(...args).ended;
const runs = at.bind(null, 'data', 'runs-quick');
const variants = ['adam', 'cg'];
const dirOf = (root: string, variant: string): string => join(root, 'tiny', variant, 'seed0');

/** To the process and all that it has started. */
function killGroup({ child }: Started, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended meanwhile
  }
}

/** Rows without their times, parameters and the optimiser's state. */
function results(root: string): unknown[] {
  return variants.map((variant) => {
    const dir = dirOf(root, variant);
    const csv = readFileSync(join(dir, 'metrics.csv'), 'utf8');
    const [last] = [...checkpointsOf(dir)];
    if (!last || 'damage' in last) throw new Error(`no checkpoint in ${dir}`);
    const { step, random, numbers, arrays } = last.stored.state;
    const bytes = Object.entries(arrays).map(([name, { values }]) => [
      name,
      Buffer.from(values.buffer).toString('base64'),
    ]);
    return { rows: csv.split('\n').map((line) => line.split(',').toSpliced(2, 2)), step, random, numbers, bytes };
  });
}

async function waitFor<T>(look: () => T | undefined | false): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = look();
    if (found) return found;
    await sleep(100);
  }
  throw new Error('waited for a minute in vain');
}

it('killed at random moments, runs go on to the same metrics and parameters', async () => {
  const keep = ['--keep-checkpoint', '--jobs', '2'];
  const whole = at('whole');
  expect(await run(...keep, '--runs', whole)).toMatchObject({ code: 0 });
  // With a checkpoint after every step a kill hits the writing of one, too.
  const schedules = [['--checkpoint-every', '0'], []];
  for (const [i, schedule] of schedules.entries()) {
    const torn = start(...keep, ...schedule);
    await torn.says(new RegExp(`tiny/${variants[i]}/seed0: epoch ${3 + 5 * i}\\.`));
    // The other one may have begun later: before its first checkpoint there is nothing to go on from.
    await waitFor(() =>
      variants.every((variant) => existsSync(join(dirOf(runs(), variant), 'checkpoint.safetensors'))),
    );
    await sleep(150 * Math.random());
    killGroup(torn, 'SIGKILL');
    expect(await torn.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
    for (const variant of variants) {
      const { state, goesOnAt } = await waitFor(() => {
        const info = inspectRun(dirOf(runs(), variant));
        return info.state !== 'running' && info;
      });
      if (state !== 'done') expect([state, goesOnAt !== null]).toEqual(['interrupted', true]);
    }
  }
  const last = await run(...keep);
  expect(last).toMatchObject({ code: 0 });
  expect(last.stderr).toMatch(/tiny\/(adam|cg)\/seed0: goes on at epoch \d+/);
  expect(results(runs())).toEqual(results(whole));
});

function expectStopped(infos: readonly RunInfo[]): void {
  expect(infos).toHaveLength(variants.length);
  for (const { state, reason, goesOnAt } of infos) {
    expect({ state, reason }).toEqual({
      state: 'interrupted',
      reason: `stopped after step ${goesOnAt?.step} of 300000`,
    });
  }
}

it('SIGTERM, or the end of the command, stops after the step with a checkpoint; a second signal at once', async () => {
  const bothGoOn = async ({ says }: Started): Promise<void> => {
    for (const variant of variants) await says(new RegExp(`tiny/${variant}/seed0: epoch (?!0\\.)\\d+`));
  };
  const first = start(...endless, '--jobs', '2');
  await bothGoOn(first);
  first.child.kill('SIGTERM');
  expect(await first.ended).toMatchObject({
    code: 130,
    stderr: expect.stringContaining('Stopping after the current step (once more: at once)') as string,
  });
  expectStopped(listRuns(runs()));
  const status = await startHbp(folder.path, ['status', '--quick']).ended;
  expect(status.stdout).toMatch(
    /tiny\/adam\/seed0 +interrupted .*stopped after step \d+ of 300000; goes on at epoch \d/,
  );

  // The command is killed: its training processes notice, and stop by themselves.
  const second = start(...endless, '--jobs', '2');
  await bothGoOn(second);
  second.child.kill('SIGKILL');
  await second.ended;
  const left = await waitFor(() => {
    const infos = listRuns(runs());
    return infos.every(({ state }) => state !== 'running') && infos;
  });
  expectStopped(left);

  // Training processes that do not answer: only the second signal helps.
  const third = start(...endless, '--jobs', '2');
  await bothGoOn(third);
  const pids = variants.map((variant) => readRecord(dirOf(runs(), variant)).owner.pid);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  third.child.kill('SIGINT');
  await third.says(/Stopping after the current step/);
  await sleep(400);
  third.child.kill('SIGINT');
  expect(await third.ended).toMatchObject({ code: 130 });
  for (const { state, goesOnAt } of listRuns(runs()))
    expect([state, goesOnAt === null]).toEqual(['interrupted', false]);
});

it('a training process that is told to stop alone does not stop the others', async () => {
  const { ended, says } = start('--jobs', '1');
  await says(/tiny\/adam\/seed0: epoch [2-9]\./);
  process.kill(readRecord(dirOf(runs(), 'adam')).owner.pid, 'SIGTERM');
  expect(await ended).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('goes on with what is not done') as string,
  });
  expect(listRuns(runs()).map(({ variant, state }) => [variant, state])).toEqual([
    ['adam', 'interrupted'],
    ['cg', 'done'],
  ]);
});

it('Ctrl-C before the training processes have started', async () => {
  const early = start('--jobs', '2');
  await early.says(/tiny at reduced size/);
  await sleep(100 * Math.random());
  killGroup(early, 'SIGINT');
  const { code, signal, stderr } = await early.ended;
  expect([130, 'SIGINT']).toContain(code ?? signal);
  expect(stderr).not.toMatch(/^hbp: /m);
});

it('Ctrl-C on a terminal leaves it as it was', async () => {
  if (!existsSync('/usr/bin/script')) {
    process.stderr.write('the test of Ctrl-C on a terminal is left out: there is no /usr/bin/script\n');
    return;
  }
  const command = [process.execPath, hbpFile, ...train, ...endless].join(' ');
  const options = { cwd: folder.path, env: { ...hbpEnvironment(), TERM: 'xterm', CI: '' } };
  const terminal = spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], options);
  let screen = '';
  terminal.stdout.on('data', (text) => (screen += String(text)));
  const ended = new Promise<number | null>((resolve) => terminal.on('close', resolve));
  try {
    await waitFor(() => /epoch [1-9]\d*\.\d/.test(screen));
    expect(screen).toContain(hideCursor);
    terminal.stdin.write('\u0003');
    expect(await ended).toBe(130);
  } finally {
    terminal.kill('SIGHUP');
  }
  expect(screen.lastIndexOf(showCursor)).toBeGreaterThan(screen.lastIndexOf(hideCursor));
  expect(readdirSync(dirOf(runs(), 'adam'))).toContain('checkpoint.safetensors');
});

const [hideCursor, showCursor] = ['\u001b[?25l', '\u001b[?25h'];
