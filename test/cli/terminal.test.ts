/** What is shown while runs train and after: on wide and narrow terminals, in pipes and logs. */
import { Writable } from 'node:stream';
import { createDisplay, formatBar } from '../../src/cli/progress.js';
import { formatTable } from '../../src/cli/shared.js';
import type { RunSpec } from '../../src/lab/config/spec.js';

// eslint-disable-next-line no-control-regex -- cursor movements and colours
const controls = /\u001b\[[?\d;]*[A-Za-z]/g;

function terminal(columns: number, isTTY = true): { stream: NodeJS.WriteStream; written: () => string } {
  let text = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      text += String(chunk);
      done();
    },
  });
  return { stream: Object.assign(stream, { columns, isTTY }) as unknown as NodeJS.WriteStream, written: () => text };
}

const before = { TERM: process.env['TERM'], CI: process.env['CI'] };
beforeEach(() => {
  process.env['TERM'] = 'xterm';
  delete process.env['CI'];
});
afterAll(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

const spec = (seed: number): RunSpec => ({ experiment: 'exp01', variant: 'sgd', seed }) as RunSpec;

/** Two runs side by side, one of which ends. */
async function train(stream: NodeJS.WriteStream): Promise<void> {
  const display = createDisplay(2, stream);
  for (const seed of [0, 1]) {
    const run = `exp01/sgd/seed${seed}`;
    display.onProgress({ type: 'start', run, totalSteps: 100, epochs: 10, from: { step: 0, epoch: 0 } });
    display.onProgress({ type: 'step', run, step: 50, epoch: 5, batchLoss: 2.3 });
  }
  await new Promise((resolve) => setTimeout(resolve, 300)); // five pictures a second
  display.onOutcome({ spec: spec(0), result: 'skipped' });
  display.stop();
}

describe.each([200, 100, 60, 40, 20])('on a terminal of %i columns', (columns) => {
  it('no line of the bars is longer', async () => {
    const { stream, written } = terminal(columns);
    await train(stream);
    const bars = written()
      .replace(controls, '')
      .split(/[\r\n]/)
      .filter((line) => /[█░]/.test(line));
    expect(bars.length).toBeGreaterThan(2);
    for (const line of bars) expect(line.length).toBeLessThan(columns);
  });
});

it('shows a bar for each run and one for all', async () => {
  const { stream, written } = terminal(120);
  await train(stream);
  for (const part of [/exp01\/sgd\/seed0 █/, /exp01\/sgd\/seed1 █/, /all █+░+ 0\/2 runs \| \d+s left/]) {
    expect(written()).toMatch(part);
  }
});

it.each([
  ['a pipe', false, {}],
  ['continuous integration', true, { CI: 'true' }],
  ['a terminal that cannot move its cursor', true, { TERM: 'dumb' }],
])('writes plain lines to %s', async (_name, isTTY, environment) => {
  Object.assign(process.env, environment);
  const { stream, written } = terminal(80, isTTY);
  await train(stream);
  for (const moving of ['\u001b', '\r', '█']) expect(written()).not.toContain(moving);
  expect(written()).toContain('exp01/sgd/seed0: 100 steps in 10 epochs\n');
  expect(written()).toContain('[1/2] exp01/sgd/seed0: done before, skipped\n');
});

it('a bar keeps the most important notes', () => {
  const text = { run: 'exp01/sgd/seed0', notes: ['epoch 1.00/2', '5s left', 'batch loss 2.3', '10 step/s'] };
  expect(formatBar(0.5, text, 200)).toMatch(/^exp01\/sgd\/seed0 █{10}░{10} epoch 1.00\/2 \| 5s left \| batch loss 2.3/);
  expect(formatBar(0.5, text, 60)).toMatch(/epoch 1.00\/2 \| 5s left$/);
  expect(formatBar(0.5, text, 20)).toMatch(/^….*eed0 [█░]+$/);
});

describe('a table', () => {
  const [head, row] = [
    ['run', 'reason'],
    ['exp01/sgd/seed0', 'stopped after step 7 of 100 by a signal of yours'],
  ];
  const lengths = (table: string): number[] =>
    table
      .replace(controls, '')
      .split('\n')
      .map((line) => line.length);

  it('is as wide as it is in a pipe', () => {
    expect(Math.max(...lengths(formatTable(head, [row], undefined)))).toBe(15 + 2 + 48);
  });

  it.each([60, 40, 30])('wraps its widest cells to %i columns, and loses nothing', (columns) => {
    const table = formatTable(head, [row], columns);
    expect(Math.max(...lengths(table))).toBeLessThanOrEqual(columns);
    const letters = (text: string): string => [...text.replace(/\s/g, '')].sort().join('');
    expect(letters(table.replace(controls, ''))).toBe(letters([...head, ...row].join('')));
  });
});
