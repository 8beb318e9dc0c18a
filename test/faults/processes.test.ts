/** Checkpoints of others or damaged, two processes on one run, clocks that jump, signals while a figure is drawn. */
import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Random } from '../../src/lab/random.js';
import { startHbp } from '../cli/support.js';
import { faultsOf, pick } from './matrix.js';
import {
  cgDir,
  digests,
  expectFine,
  expectNoStack,
  killGroup,
  resultOf,
  trainCg,
  workshops,
  type Workshop,
} from './workshop.js';

const fault = faultsOf('4-processes');
const { fresh, reference } = workshops();

/** A workshop whose run of CG-Newton was killed with two checkpoints in its folder: made once, copied each time. */
let killed: Workshop | undefined;
async function interrupted(): Promise<Workshop> {
  const names = ['checkpoint.safetensors', 'checkpoint.previous.safetensors'];
  while (!killed) {
    const shop = fresh();
    const started = shop.start(...trainCg);
    await started.says(/tiny\/cg\/seed0: epoch [2-5]\./);
    killGroup(started, 'SIGKILL');
    await started.ended;
    if (names.every((name) => readdirSync(shop.at(cgDir)).includes(name))) killed = shop;
  }
  const copy = fresh();
  cpSync(killed.at(cgDir), copy.at(cgDir), { recursive: true });
  return copy;
}

async function expectSameEnd(shop: Workshop): Promise<string> {
  const { stderr } = expectFine(await shop.hbp(...trainCg));
  expectNoStack({ stderr });
  expect(resultOf(shop.at(cgDir))).toEqual(resultOf(reference().at(cgDir)));
  shop.expectFinishedUnharmed();
  return stderr;
}

function damage(path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(path, change(readFileSync(path)));
}

const checkpointDamages: Readonly<Record<string, readonly [RegExp, (bytes: Buffer, random: Random) => Buffer]>> = {
  'with a flipped bit': [
    /is of no use: it/,
    (bytes, random) => {
      bytes[random.int(bytes.length)]! ^= 1 << random.int(8);
      return bytes;
    },
  ],
  torn: [/is of no use: it/, (bytes, random) => bytes.subarray(0, random.int(bytes.length))],
  'of another version': [
    /is of no use: its version is 9/,
    (bytes) => signed(replaced(bytes, '"version":"1"', '"version":"9"')),
  ],
};

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from);
  if (at < 0) throw new Error(`no ${from} in the checkpoint`);
  bytes.write(to, at);
  return bytes;
}

/** With the digest that its bytes have now. */
function signed(bytes: Buffer): Buffer {
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32);
  return bytes;
}

for (const [what, [message, change]] of Object.entries(checkpointDamages)) {
  fault(`newest checkpoint ${what}`, { short: 1, long: 8 }, async (random) => {
    const shop = await interrupted();
    damage(shop.at(cgDir, 'checkpoint.safetensors'), (bytes) => change(bytes, random));
    expect(await expectSameEnd(shop)).toMatch(message);
  });
}

fault('checkpoint of another run in its place', { short: 1, long: 4 }, async () => {
  const shop = await interrupted();
  const other = join('data', 'runs-quick', 'tiny', 'finished', 'seed0', 'checkpoint.safetensors');
  for (const name of ['checkpoint.safetensors', 'checkpoint.previous.safetensors']) {
    cpSync(shop.at(other), shop.at(cgDir, name));
  }
  expect(await expectSameEnd(shop)).toMatch(
    /starts again \(checkpoint.safetensors is of no use: it has other settings/,
  );
});

fault('two processes on one run', { short: 1, long: 8 }, async (random) => {
  const shop = fresh();
  const first = shop.start(...trainCg);
  await sleep(1000 * random.uniform());
  const both = await Promise.all([first.ended, shop.hbp(...trainCg)]);
  for (const ended of both) {
    expectNoStack(ended);
    // Whoever came second was refused, or found it done.
    if (ended.code !== 0)
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(beingWritten) as string });
  }
  expect(both.some(({ code }) => code === 0)).toBe(true);
  await expectSameEnd(shop);
});
const beingWritten = /is being written by process \d+|was just taken by another process/;

/** A module that sets the clock of its process, and of those that it starts, back in the middle of things. */
const clockModule = (hours: number, afterMs: number): string => `
  const { now } = Date;
  const back = () => (performance.now() > ${afterMs} ? ${hours} * 3_600_000 : 0);
  Date.now = () => now() - back();
  globalThis.Date = class extends Date {
    constructor(...all) {
      if (all.length === 0) super(now() - back());
      else super(...all);
    }
  };`;

fault('clock set back during `hbp run`, and before it goes on', { short: 1, long: 8 }, async (random) => {
  const shop = fresh();
  const module = shop.at('clock.mjs');
  writeFileSync(module, clockModule(pick(random, [1 / 60, 1, 24 * 365]), random.int(2500)));
  const environment = { NODE_OPTIONS: `--import=${pathToFileURL(module).href}` };
  const backwards = startHbp(shop.folder, trainCg, { group: true, environment });
  if (random.int(2) === 0) {
    await backwards.says(/tiny\/cg\/seed0: epoch [2-5]\./);
    killGroup(backwards, 'SIGKILL');
  }
  expectNoStack(await backwards.ended);
  await expectSameEnd(shop);
  const times = readFileSync(shop.at(cgDir, 'metrics.csv'), 'utf8').trimEnd().split('\n').slice(1);
  const walls = times.map((line) => Number(line.split(',')[2]));
  expect(walls).toEqual([...walls].sort((a, b) => a - b));
});

fault('SIGTERM or SIGINT during `hbp plot`', { short: 1, long: 10 }, async (random) => {
  const shop = reference();
  const plot = ['plot', 'fig_tiny', './tiny.yaml', '--quick', '--out', 'fig'];
  expectFine(await shop.hbp(...plot));
  const whole = digests(shop.at('fig'));
  const before = digests(shop.at('data'));
  rmSync(shop.at('fig'), { recursive: true });
  const started = shop.start(...plot);
  await sleep(3000 * random.uniform());
  const signal = pick(random, ['SIGTERM', 'SIGINT'] as const);
  killGroup(started, signal);
  const ended = await started.ended;
  expectNoStack(ended);
  expect([signal, 0]).toContain(ended.signal ?? ended.code);
  const finalNames = Object.entries(digests(shop.at('fig'))).filter(([name]) => !/\.\d+$/.test(name));
  expect(whole).toMatchObject(Object.fromEntries(finalNames));
  expect(digests(shop.at('data'))).toEqual(before);
});
