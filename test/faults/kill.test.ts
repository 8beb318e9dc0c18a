/** kill -9 at random moments of everything that writes. */
import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/lab/random.js';
import { runFiles, sgdDir, writeTree } from '../lab/archive/fixtures.js';
import { entriesOf, makeZip } from '../lab/archive/zip-maker.js';
import { faultsOf, pick } from './matrix.js';
import {
  cgDir,
  digests,
  expectFine,
  expectNoStack,
  killGroup,
  resultOf,
  trainCg,
  type Workshop,
  workshops,
} from './workshop.js';

const fault = faultsOf('1-kill');
const { fresh, reference } = workshops();

/**
 * Kills a command at a random moment up to `atMost` after it has said something.
 *
 * @returns whether it was killed: else it had ended before
 */
async function killAtRandom(
  { start }: Workshop,
  args: readonly string[],
  random: Random,
  atMost: number,
  after = /^/,
): Promise<boolean> {
  const started = start(...args);
  await started.says(after);
  await sleep(atMost * random.uniform());
  killGroup(started, 'SIGKILL');
  const ended = await started.ended;
  expectNoStack(ended);
  return ended.signal === 'SIGKILL';
}

/** Tries ever shorter times until a kill comes before the end. */
async function killSurely(...[shop, args, random, atMost, after]: Parameters<typeof killAtRandom>): Promise<void> {
  for (let limit = atMost; !(await killAtRandom(shop, args, random, limit, after)); limit /= 2);
}

fault('kill -9 during `hbp run`', { short: 1, long: 20 }, async (random) => {
  const shop = fresh();
  // One in four while it starts, the others while it trains and stores.
  const after = random.int(4) === 0 ? /^/ : /tiny\/cg\/seed0: \d+ steps in/;
  for (let kills = random.int(2); kills >= 0; kills--) await killAtRandom(shop, trainCg, random, 1500, after);
  await waitForEnd(shop);
  expectFine(await shop.hbp(...trainCg));
  expect(resultOf(shop.at(cgDir))).toEqual(resultOf(reference().at(cgDir)));
  expect(readdirSync(shop.at(cgDir)).sort()).toEqual(readdirSync(reference().at(cgDir)).sort());
  shop.expectFinishedUnharmed();
});

/** The kernel takes a moment to end every process of a group. */
async function waitForEnd({ hbp }: Workshop): Promise<void> {
  while ((await hbp('status', '--quick')).stdout.includes(' running ')) await sleep(50);
}

const compare = ['compare', './tiny.yaml', '--quick', '--against', 'data/runs-quick', '--format', 'csv'];
fault('kill -9 during `hbp compare` (merge)', { short: 1, long: 10 }, async (random) => {
  const { hbp, at } = reference();
  const before = digests(at('data'));
  await killSurely(reference(), compare, random, 1200);
  expect(digests(at('data'))).toEqual(before);
  const again = expectFine(await hbp(...compare));
  merged ??= again.stdout;
  expect(again.stdout).toBe(merged);
});

let merged: string | undefined;

fault('kill -9 during `hbp plot`', { short: 1, long: 10 }, async (random) => {
  const { hbp, at } = reference();
  const plot = ['plot', './tiny.yaml', '--quick', '--out', 'fig'];
  const wanted = await drawnOnce();
  const old = Object.fromEntries(Object.keys(wanted).map((name) => [name, 'an older figure']));
  writeTree(at('fig'), old);
  const oldDigests = digests(at('fig'));
  await killSurely(reference(), plot, random, 5000);
  const partial = digests(at('fig'));
  for (const name of Object.keys(wanted)) expect([wanted[name], oldDigests[name]]).toContain(partial[name]);
  if (random.int(10) === 0) {
    expectFine(await hbp(...plot));
    expect(digests(at('fig'))).toMatchObject(wanted);
  }
});

let drawn: Promise<Record<string, string>> | undefined;
const drawnOnce = (): Promise<Record<string, string>> =>
  (drawn ??= reference()
    .hbp('plot', './tiny.yaml', '--quick', '--out', 'wanted')
    .then(() => digests(reference().at('wanted'))));

fault('kill -9 during `hbp export`', { short: 1, long: 6 }, async (random) => {
  const shop = reference();
  const format = pick(random, ['original', 'tensorboard']);
  const out = `exported-${format}`;
  const exportAll = ['export', 'tiny', '--quick', '--force', '--format', format, '--out', out];
  expectFine(await shop.hbp(...exportAll));
  const whole = digests(shop.at(out));
  await killSurely(shop, exportAll, random, 1200);
  expectFine(await shop.hbp(...exportAll));
  expect(digests(shop.at(out))).toEqual(whole); // and nothing hidden beside it
});

fault('kill -9 during `hbp data import`', { short: 1, long: 15 }, async (random, i) => {
  const shop = fresh();
  const sets = { old: runFiles(sgdDir, [0, 1]), new: runFiles(sgdDir, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 50) };
  const importSet = (which: keyof typeof sets): string[] => {
    const zip = `${which}.zip`;
    writeFileSync(shop.at(zip), makeZip(entriesOf(sets[which])));
    return ['data', 'import', 'paper', zip, '--force', ...(i % 2 === 0 ? [] : ['--json'])];
  };
  expectFine(await shop.hbp(...importSet('old')));
  const home = shop.at('data', 'datasets', 'paper');
  const old = digests(home);
  await killSurely(shop, importSet('new'), random, 1500);
  const verified = await shop.hbp('data', 'verify', 'paper');
  expectFine(verified);
  const found = digests(home);
  if (found['hbp-receipt.json'] === old['hbp-receipt.json']) expect(found).toEqual(old);
  expectFine(await shop.hbp(...importSet('new')));
  expect(readdirSync(shop.at('data', 'datasets'))).toEqual(['paper']);
  expectFine(await shop.hbp('data', 'verify', 'paper'));
  shop.expectFinishedUnharmed();
});
