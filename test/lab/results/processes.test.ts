import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../../../src/errors.js';
import { inspectRun } from '../../../src/lab/results/inspect.js';
import { readMetrics } from '../../../src/lab/results/metrics.js';
import { openRun, runDir } from '../../../src/lab/results/store.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from './support.js';

/** These tests are about real processes; Node runs the store in them as jest does here. */
const folder = temporaryFolder();
const runs = (): string => join(folder.path, 'runs');
const children: ChildProcess[] = [];

const hooks = new URL('../../support/typescript-hooks.js', import.meta.url).href;
const store = new URL('../../../src/lab/results/store.ts', import.meta.url).href;

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Starts a process that opens the run, writes one row, says "open" (or its error) and goes on as `then` says. */
function start(then: 'wait' | 'finish' | 'exit'): ChildProcess {
  const script = `
    import { openRun } from '${store}';
    try {
      const run = openRun('runs', ${JSON.stringify(someSpec())}, ${JSON.stringify(someEnvironment)});
      if (run === 'done') console.log('done');
      else {
        run.append(${JSON.stringify(someRow(0))});
        console.log('open');
        if ('${then}' === 'wait') setInterval(() => run.heartbeat(), 1000);
        if ('${then}' === 'finish') setTimeout(() => run.finish('done'), 200);
      }
    } catch (error) {
      console.log(error.name + ': ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--import', hooks, '--input-type=module', '--eval', script], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) done(text.slice(0, text.indexOf('\n')));
    });
    child.on('exit', () => fail(new Error(`ended after "${text}"`)));
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((done) => child.on('exit', () => done()));
}

function open(): ReturnType<typeof openRun> {
  return openRun(runs(), someSpec(), someEnvironment);
}

test('a run that another process writes is refused, and named after its process', async () => {
  const writer = start('wait');
  expect(await firstLine(writer)).toBe('open');
  expect(open).toThrow(RunError);
  expect(open).toThrow(`exp01/sgd/seed0 is being written by process ${writer.pid} on `);
  expect(inspectRun(runDir(runs(), someSpec())).state).toBe('running');
});

test('a writer that was killed is seen as interrupted, and its run starts again', async () => {
  const writer = start('wait');
  await firstLine(writer);
  const gone = ended(writer);
  writer.kill('SIGKILL');
  await gone;
  const dir = runDir(runs(), someSpec());
  expect(inspectRun(dir)).toMatchObject({
    state: 'interrupted',
    reason: expect.stringContaining(`process ${writer.pid} on `) as unknown,
  });
  expect(readMetrics(dir)).toEqual([someRow(0)]);
  const run = open();
  if (run === 'done') throw new Error('an interrupted run counts as done');
  expect(readMetrics(dir)).toEqual([]);
  run.finish('done');
});

test('of many processes that take over a dead run at once, exactly one gets it', async () => {
  const dead = start('exit');
  const gone = ended(dead);
  await firstLine(dead);
  await gone;
  const answers = await Promise.all(Array.from({ length: 6 }, () => firstLine(start('wait'))));
  expect(answers.filter((answer) => answer === 'open')).toHaveLength(1);
  expect(answers.filter((answer) => answer.startsWith('TakenError: exp01/sgd/seed0 '))).toHaveLength(5);
  expect(readdirSync(runDir(runs(), someSpec())).sort()).toEqual(['metrics.csv', 'run.json', 'run.lock']);
});

test('the second of two that both want it done finds it done', async () => {
  const writer = start('finish');
  const gone = ended(writer);
  expect(await firstLine(writer)).toBe('open');
  await gone;
  expect(await firstLine(start('finish'))).toBe('done');
});
