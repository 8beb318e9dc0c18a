/** Runs on a cluster, with stand-ins for Slurm's commands; the real ones are in `npm run test:slurm`. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { cancelCommand } from '../../src/cli/cancel.js';
import { cleanCommand } from '../../src/cli/clean.js';
import { logsCommand } from '../../src/cli/logs.js';
import { statusCommand } from '../../src/cli/status.js';
import { submitCommand } from '../../src/cli/submit.js';
import { expandExperiment } from '../../src/lab/config/expand.js';
import { loadExperiment } from '../../src/lab/config/load.js';
import { inspectRun } from '../../src/lab/results/inspect.js';
import { lockRun } from '../../src/lab/results/lock.js';
import { openRun } from '../../src/lab/results/store.js';
import { someEnvironment, someRow, temporaryFolder } from '../lab/results/support.js';
import { StandIns } from './stand-ins.js';
import { run, startHbp } from './support.js';

const folder = temporaryFolder();
const at = (...path: string[]): string => join(folder.path, ...path);
let slurm: StandIns;
let said: string;

beforeEach(() => {
  slurm = new StandIns(folder.path);
  writeFileSync(at('tiny.yaml'), experiment);
  said = '';
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  slurm.restore();
  jest.restoreAllMocks();
});

const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [4], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 2
seeds: 0-2
quick: { epochs: 2, trainSamples: 100, testSamples: 50, seeds: '0-2' }
variants:
  adam: { label: Adam, optimizer: { kind: adam, lr: 0.001 } }
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1 } }
`;

const submit = (...args: string[]): Promise<string> =>
  run(submitCommand(), folder.path, 'slurm', './tiny.yaml', '--quick', ...args);
const status = (...args: string[]): Promise<string> => run(statusCommand(), folder.path, '--quick', ...args);
const logs = (...args: string[]): Promise<string> => run(logsCommand(), folder.path, '--quick', ...args);
const cancel = (...args: string[]): Promise<string> => run(cancelCommand(), folder.path, '--quick', ...args);
const store = (): string => at('data', 'runs-quick');
const specs = () => expandExperiment(loadExperiment(at('tiny.yaml'), { experimentsDir: folder.path }), { quick: true });

/** A run as training leaves it. */
function record(index: number, state: 'done' | 'failed' | 'interrupted' | null): void {
  const writer = openRun(store(), specs()[index]!, someEnvironment);
  if (writer === 'done') throw new Error('done already');
  writer.append(someRow(1));
  if (state !== null) writer.finish(state, state === 'done' ? undefined : 'a reason');
}

/** The folders of submissions. */
const submissions = (): string[] => (existsSync(join(store(), '.slurm')) ? readdirSync(join(store(), '.slurm')) : []);

/** What squeue says: by index of the task the state. */
function queue(job: string, states: Readonly<Record<number, string>>, name = submissions().at(-1)): void {
  const lines = Object.entries(states).map(([index, state]) => `${job}|${index}|${name}|${state}|None`);
  slurm.set('squeue', { stdout: lines.join('\n') });
}

async function submitted(job = '7'): Promise<void> {
  slurm.set('squeue', {});
  slurm.set('sbatch', { stdout: `${job}\n` });
  await submit('--backend', 'wasm');
}

test('one array: a task a run, what was asked of sbatch in the script, nothing else in the shell', async () => {
  slurm.set('squeue', {});
  slurm.set('sbatch', { stdout: '7;cluster\n' });
  const options = ['--partition', 'long', '--time', '1-00:00', '--gpus', 'a100:1', '--cpus', '4', '--mem', '8G'];
  const text = await submit(...options, '--array-limit', '2', '--account', 'lab', '--sbatch=--qos=high');
  expect(text).toContain('Submitted 6 of 6 runs as job 7');
  const dir = join(store(), '.slurm', submissions()[0]!);
  const script = readFileSync(join(dir, 'job.sh'), 'utf8');
  expect(script.match(/^#SBATCH .*/gm)).toEqual(
    [
      `--job-name=${submissions()[0]}`,
      ...['--array=0-5%2', '--output=logs/%a.log', '--open-mode=append', '--requeue', '--signal=B:TERM@60'],
      ...['--ntasks=1', '--cpus-per-task=4', '--partition=long', '--account=lab', '--time=1-00:00'],
      ...['--gpus=a100:1', '--mem=8G', '--qos=high'],
    ].map((option) => `#SBATCH ${option}`),
  );
  expect(slurm.calls('sbatch')).toEqual([`--parsable ${join(dir, 'job.sh')}`]);
  // Nothing of the experiment is in it: the task list is data.
  expect(script).not.toMatch(/adam|synthetic/);
  const list = JSON.parse(readFileSync(join(dir, 'tasks.json'), 'utf8')) as { settings: object; tasks: object[] };
  expect(list.tasks).toEqual(specs());
  expect(list.settings).toMatchObject({ backend: 'auto', threads: 4, checkpointEveryMs: 120_000 });
});

test('a folder whose name a shell would take apart is passed on as it is', async () => {
  slurm.set('squeue', {});
  slurm.set('sbatch', { stdout: '7\n' });
  const odd = at(`it's $HOME "and" more`);
  mkdirSync(odd);
  await submit('--runs', odd);
  const [name] = readdirSync(join(odd, '.slurm'));
  const script = readFileSync(join(odd, '.slurm', name!, 'job.sh'), 'utf8');
  const shown = execFileSync('/bin/sh', ['-c', script.replace(/^exec .*? 'submit'/m, "printf '%s\\n' 'submit'")], {
    encoding: 'utf8',
    env: { SLURM_ARRAY_TASK_ID: '3' },
  });
  expect(shown.trim().split('\n')).toEqual(['submit', 'run-task', join(odd, '.slurm', name!, 'tasks.json'), '3']);
});

test.each([
  [['--partition', 'a b'], /^--partition: found "a b", expected one word/],
  [['--mem', '4G\n#SBATCH --uid=0'], /^--mem: found "4G\\n#SBATCH/],
  [['--sbatch=--wrap=rm -rf /'], /^--sbatch: found "--wrap=rm -rf \/", expected an option of sbatch in one word/],
])('%j is refused before anything is submitted', async (options, message) => {
  slurm.set('squeue', {});
  slurm.set('sbatch', { stdout: '7\n' });
  await expect(submit(...options)).rejects.toThrow(message);
  expect(slurm.calls('sbatch')).toEqual([]);
  expect(submissions()).toEqual([]);
});

test('what is done, diverged, trained here or queued is left out; what stopped is not', async () => {
  await submitted();
  queue('7', { 0: 'COMPLETED', 1: 'RUNNING', 2: 'PENDING', 3: 'FAILED', 4: 'COMPLETED', 5: 'CANCELLED' });
  record(0, 'done');
  record(3, 'interrupted');
  record(4, null); // this very process trains it
  slurm.set('sbatch', { stdout: '8\n' });
  const answer = JSON.parse(await submit('--json')) as object;
  expect(answer).toMatchObject({
    job: '8',
    submitted: ['tiny/sgd/seed0', 'tiny/sgd/seed2'],
    left: [
      { run: 'tiny/adam/seed0', why: 'done' },
      { run: 'tiny/adam/seed1', why: 'RUNNING as task 7_1' },
      { run: 'tiny/adam/seed2', why: 'PENDING as task 7_2' },
      { run: 'tiny/sgd/seed1', why: expect.stringMatching(/^being trained by process \d+ on /) as string },
    ],
  });
  // The numbers of jobs begin again some day: a job of another name is none of ours.
  queue('8', { 0: 'RUNNING', 1: 'RUNNING' }, 'another');
  expect(JSON.parse(await submit('--json', '--dry-run'))).toMatchObject({
    submitted: ['tiny/adam/seed1', 'tiny/adam/seed2', 'tiny/sgd/seed0', 'tiny/sgd/seed2'],
  });
});

test('nothing is left of a submission that sbatch refuses, and the reason is one line', async () => {
  slurm.set('squeue', {});
  const refusal =
    'sbatch: error: invalid partition specified: foo\nsbatch: error: Batch job submission failed: Invalid';
  slurm.set('sbatch', { stderr: refusal, code: 1 });
  slurm.set('sinfo', { stdout: 'main\nlong\nmain\n' });
  await expect(submit('--partition', 'foo')).rejects.toMatchObject({
    message: 'sbatch refuses: invalid partition specified: foo (partitions here: main, long)',
    exitCode: 5,
  });
  slurm.set('sbatch', {
    stderr: 'sbatch: error: Batch job submission failed: Invalid job array specification',
    code: 1,
  });
  slurm.set('scontrol', { stdout: 'MaxArraySize            = 4\n' });
  await expect(submit()).rejects.toThrow(/Invalid job array specification \(at most 4 runs at once here: /);
  expect(submissions()).toEqual([]);
});

test('without Slurm: a dry run works, submitting says where it would', async () => {
  const text = await submit('--dry-run');
  expect(text).toContain('#SBATCH --array=0-5\n');
  expect(existsSync(store())).toBe(false);
  expect(text).toMatch(/task 5: tiny\/sgd\/seed2\n6 of 6 runs would be submitted\n$/);
  await expect(submit()).rejects.toMatchObject({
    message: "sbatch is not here: submit where Slurm's commands are (a login node); --dry-run needs none",
    exitCode: 5,
  });
});

test('without an answer of the scheduler nothing is submitted twice: it is not submitted', async () => {
  await submitted();
  slurm.set('squeue', { stderr: 'slurm_load_jobs error: Unable to contact slurm controller', code: 1 });
  await expect(submit()).rejects.toThrow(/^squeue does not answer: .*Unable to contact slurm controller/);
  expect(slurm.calls('sbatch')).toHaveLength(1);
  // Others go on with what the store knows.
  record(0, 'done');
  expect(await status()).toMatch(/tiny\/adam\/seed0 +done/);
  expect(said).toContain('hbp: squeue does not answer: ');
});

test("status shows the store's state and the cluster's side by side", async () => {
  await submitted();
  queue('7', { 0: 'RUNNING', 1: 'PENDING', 2: 'FAILED' });
  slurm.set('sacct', { stdout: `7_3|${submissions()[0]}|CANCELLED by 1000|0:0\n7_4|other|TIMEOUT|0:0\n` });
  record(0, null);
  record(3, 'interrupted');
  record(4, 'done');
  const lines = (await status()).split('\n');
  expect(lines[0]).toMatch(/^run +state +cluster +progress /);
  expect(lines[1]).toMatch(/^tiny\/adam\/seed0 +running +RUNNING +/);
  expect(lines[2]).toMatch(/^tiny\/sgd\/seed0 +interrupted +CANCELLED +.* a reason/);
  expect(lines[3]).toMatch(/^tiny\/sgd\/seed1 +done +- +100%/);
  expect(lines[4]).toMatch(/^tiny\/adam\/seed1 +not begun +PENDING +0%/);
  expect(lines[5]).toMatch(/^tiny\/adam\/seed2 +not begun +FAILED \(no log: does its node see this folder\?\) +0%/);
  const json = JSON.parse(await status('--json')) as { cluster?: { state: string } }[];
  expect(json.map(({ cluster }) => cluster?.state)).toEqual(['RUNNING', 'CANCELLED', undefined, 'PENDING', 'FAILED']);
});

test('no question to the scheduler where nothing was submitted, or all of it is done', async () => {
  slurm.set('squeue', {});
  record(0, 'done');
  await status();
  expect(slurm.calls('squeue')).toEqual([]);
  await submitted();
  const asked = slurm.calls('squeue').length;
  for (const index of [1, 2, 3, 4, 5]) record(index, 'done');
  expect(await status()).not.toContain('cluster');
  expect(slurm.calls('squeue')).toHaveLength(asked);
});

test('logs print what the task wrote, and follow it to its end', async () => {
  await submitted();
  await expect(logs('tiny/adam/seed1')).rejects.toThrow(/1\.log is not there yet: task 7_1 has not begun$/);
  const file = join(store(), '.slurm', submissions()[0]!, 'logs', '1.log');
  writeFileSync(file, 'epoch 1\n');
  expect(await logs('tiny/adam/seed1')).toBe('epoch 1\n');
  queue('7', { 1: 'COMPLETED' });
  expect(await logs('tiny/adam/seed1', '--follow')).toBe('epoch 1\n');
  await expect(logs('tiny/adam/sed1')).rejects.toThrow(/^no task was submitted for tiny\/adam\/sed1: did you mean/);
});

test('cancel takes runs, variants, experiments or all that wait or run', async () => {
  await submitted();
  queue('7', { 0: 'RUNNING', 1: 'PENDING', 2: 'COMPLETED', 3: 'RUNNING' });
  slurm.set('scancel', {});
  expect(await cancel('tiny/adam', '--dry-run')).toBe(
    'Would cancel tiny/adam/seed0 (task 7_0, RUNNING)\nWould cancel tiny/adam/seed1 (task 7_1, PENDING)\n',
  );
  expect(slurm.calls('scancel')).toEqual([]);
  await cancel('tiny/adam/seed1', 'tiny/sgd');
  await cancel('all');
  expect(slurm.calls('scancel')).toEqual(['7_[1,3]', '7_[0,1,3]']);
  await expect(cancel('tiny/adam/seed2')).rejects.toThrow(/^nothing to cancel for tiny\/adam\/seed2: did you mean/);
  // One that has ended meanwhile is no error, another reason is.
  slurm.set('scancel', { stderr: 'scancel: error: Job/step already completing or completed', code: 1 });
  await cancel('all');
  slurm.set('scancel', { stderr: 'scancel: error: Kill job error on job id 7_0: Access/permission denied', code: 1 });
  await expect(cancel('all')).rejects.toThrow(/^scancel refuses: Kill job error .*permission denied$/);
});

test('clean does not take the task list from under tasks that wait', async () => {
  await submitted();
  queue('7', { 0: 'PENDING' });
  await expect(run(cleanCommand(), folder.path)).rejects.toThrow(
    /^tiny\/adam\/seed0 is PENDING as task 7_0: `hbp cancel all --quick` first/,
  );
  queue('7', {});
  expect(await run(cleanCommand(), folder.path)).toContain('Removed data/runs-quick');
});

describe('a task', () => {
  const task = (index: number) => {
    const list = join(store(), '.slurm', submissions()[0]!, 'tasks.json');
    return startHbp(folder.path, ['submit', 'run-task', list, String(index)]);
  };

  test('trains its run; another time it finds it done; one that is taken it leaves', async () => {
    await submitted();
    slurm.restore();
    const [first, second] = await Promise.all([task(1).ended, task(1).ended]);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(inspectRun(join(store(), 'tiny/adam/seed1')).state).toBe('done');
    expect(await task(1).ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('done before, skipped') as string,
    });
    record(2, null);
    expect(await task(2).ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/left to it\n$/) as string });
  });

  test('leaves a run that another process has only just locked', async () => {
    await submitted();
    slurm.restore();
    const dir = join(store(), 'tiny/adam/seed1');
    mkdirSync(dir, { recursive: true });
    const lock = lockRun(dir, 'tiny/adam/seed1', -Infinity);
    expect(await task(1).ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/another process has it: left to it\n$/) as string,
      stderr: expect.stringContaining(`is being written by process ${process.pid} on `) as string,
    });
    lock.release();
  });

  test('says in one line what is wrong with its list', async () => {
    await submitted();
    slurm.restore();
    expect(await task(6).ended).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^hbp: .*tasks\.json: there is no task 6, only 0 to 5\n$/) as string,
    });
    const { code, stderr } = await startHbp(folder.path, ['submit', 'run-task', at('no/tasks.json'), '0']).ended;
    expect([code, stderr]).toEqual([3, expect.stringMatching(/must be on a file system that all nodes share\n$/)]);
  });
});
