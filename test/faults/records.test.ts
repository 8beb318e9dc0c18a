/** What can happen to run.json, metrics.csv and diagnostics.jsonl: other seeds are merged as if nothing had happened. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../src/lab/random.js';
import { readDiagnostics } from '../../src/lab/results/diagnostics.js';
import { inspectRun } from '../../src/lab/results/inspect.js';
import { mergedCsv, readVariant, type VariantRuns } from '../../src/lab/results/merge.js';
import { openRun, type RunWriter } from '../../src/lab/results/store.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from '../lab/results/support.js';
import { faultsOf, pick } from './matrix.js';
import { digests } from './workshop.js';

const fault = faultsOf('3-records');
const folder = temporaryFolder();

const evaluations = 20;
const seeds = [0, 1, 2];
const victim = 1;
let root: string;

const template = mkdtempSync(join(tmpdir(), 'hbp-faults-'));
afterAll(() => rmSync(template, { recursive: true }));
beforeAll(() => {
  for (const seed of seeds) {
    const run = openRun(template, someSpec({ seed }), someEnvironment) as RunWriter;
    for (let i = 1; i <= evaluations; i++) run.append(someRow(10 * i, { train_loss: seed + i / 8 }));
    run.finish('done');
  }
});

/** Three finished seeds in a fresh folder; the one that something happens to. */
function finishedSeeds(index: number): string {
  root = join(folder.path, String(index));
  cpSync(template, root, { recursive: true });
  return join(root, 'exp01', 'sgd', `seed${victim}`);
}

const merge = (): VariantRuns => readVariant(root, 'exp01', 'sgd');
const others = (): string => {
  const rest = readVariant(root, 'exp01', 'sgd', { seeds: seeds.filter((seed) => seed !== victim) });
  return mergedCsv(rest.merged);
};

/** Only the victim's files may differ from what they were. */
function unharmed(before: Record<string, string>): void {
  const kept = (all: Record<string, string>): [string, string][] =>
    Object.entries(all).filter(([path]) => !path.includes(`seed${victim}`));
  expect(kept(digests(root))).toEqual(kept(before));
}

/** The victim is named as unreadable with a reason, and the others are merged without it. */
function expectLeftOut(reason: RegExp): void {
  const { merged, unfinished } = merge();
  expect(merged.seeds).toEqual([0, 2]);
  expect(mergedCsv(merged)).toBe(others());
  expect(unfinished).toEqual([{ seed: victim, state: 'unreadable', reason: expect.stringMatching(reason) as unknown }]);
  expect(unfinished[0]?.reason).not.toContain('\n');
}

const recordDamages: Readonly<Record<string, (path: string, random: Random) => void>> = {
  deleted: (path) => rmSync(path),
  torn: (path, random) => {
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.slice(0, random.int(text.length - 2)));
  },
  'of random bytes': (path, random) =>
    writeFileSync(
      path,
      Uint8Array.from({ length: 500 }, () => random.int(256)),
    ),
  'a folder': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'a link into nothing': (path) => {
    rmSync(path);
    symlinkSync('/nowhere/at/all', path);
  },
  'a link to itself': (path) => {
    rmSync(path);
    symlinkSync('run.json', path);
  },
};
for (const [what, damage] of Object.entries(recordDamages)) {
  fault(`run.json ${what}`, { short: 2, long: 20 }, (random, i) => {
    const dir = finishedSeeds(i);
    const before = digests(root);
    damage(join(dir, 'run.json'), random);
    expect(inspectRun(dir)).toMatchObject({ state: 'unreadable', record: null });
    expectLeftOut(/run\.json/);
    unharmed(before);
  });
}

fault(
  'run.json without permission to read it',
  { short: 1, long: 1 },
  (_random, i) => {
    const dir = finishedSeeds(i);
    chmodSync(join(dir, 'run.json'), 0);
    expectLeftOut(/EACCES/);
  },
  process.getuid?.() === 0 ? 'permissions do not bind root' : null,
);

type Lines = readonly string[];
/** Of the file's lines, header included: other lines. All but the torn one leave the seed out. */
const csvDamages: Readonly<Record<string, (lines: Lines, random: Random) => Lines>> = {
  'a row twice': (lines, random) => {
    const at = 1 + random.int(evaluations);
    return [...lines.slice(0, at + 1), lines[at]!, ...lines.slice(at + 1)];
  },
  'rows in another order': (lines, random) => {
    const at = 1 + random.int(evaluations - 1);
    return [...lines.slice(0, at), lines[at + 1]!, lines[at]!, ...lines.slice(at + 2)];
  },
  'a field that is no number': (lines, random) =>
    withField(lines, random, pick(random, ['x', '', '0x10x', '1,5"', 'null', '1e', '-', '\u0000'])),
  'a row cut in the middle': (lines, random) => {
    const at = 1 + random.int(evaluations - 1);
    return lines.map((line, i) => (i === at ? line.slice(0, 1 + random.int(8)) : line));
  },
  'a row of 32 MB': (lines, random) => withField(lines, random, '9'.repeat(32e6) + 'x'),
  'a file without a header': (lines) => lines.slice(1),
};

function withField(lines: Lines, random: Random, field: string): Lines {
  const [row, column] = [1 + random.int(evaluations), random.int(10)];
  return lines.map((line, i) => (i === row ? line.split(',').with(column, field).join(',') : line));
}

for (const [what, damage] of Object.entries(csvDamages)) {
  fault(`metrics.csv with ${what}`, { short: 2, long: what.includes('MB') ? 4 : 40 }, (random, i) => {
    const path = join(finishedSeeds(i), 'metrics.csv');
    const before = digests(root);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    writeFileSync(path, damage(lines, random).join('\n') + '\n');
    expectLeftOut(/metrics\.csv/);
    unharmed(before);
  });
}

fault('metrics.csv torn at any byte', { short: 10, long: 200 }, (random, i) => {
  const path = join(finishedSeeds(i), 'metrics.csv');
  const text = readFileSync(path, 'utf8');
  const cut = text.slice(0, random.int(text.length));
  writeFileSync(path, cut);
  const whole = Math.max(0, cut.split('\n').length - 2);
  const run = merge().runs.find(({ seed }) => seed === victim);
  expect(run?.rows.map(({ step }) => step) ?? []).toEqual(Array.from({ length: whole }, (_, e) => 10 * (e + 1)));
  // Every evaluation counts the seeds that have it.
  expect(merge().merged.steps.map(({ values }) => values.train_loss.n)).toEqual(
    Array.from({ length: evaluations }, (_, e) => (e < whole ? 3 : 2)),
  );
});

fault('metrics.csv with NaN and Infinity', { short: 5, long: 50 }, (random, i) => {
  const path = join(finishedSeeds(i), 'metrics.csv');
  const row = 1 + random.int(evaluations);
  const lines = readFileSync(path, 'utf8').split('\n');
  const field = pick(random, ['NaN', 'Infinity', '-Infinity']);
  writeFileSync(path, lines.map((line, n) => (n === row ? line.split(',').with(6, field).join(',') : line)).join('\n'));
  const { merged, unfinished } = merge();
  expect(unfinished).toEqual([]);
  expect(merged.steps.map(({ values }) => values.train_loss.n)).toEqual(
    Array.from({ length: evaluations }, (_, e) => (e === row - 1 ? 2 : 3)),
  );
  expect(merged.steps[row - 1]?.values.train_loss.mean).toBe((0 + 2) / 2 + row / 8);
});

fault('diagnostics.jsonl torn or of random bytes', { short: 5, long: 50 }, (random, i) => {
  const dir = finishedSeeds(i);
  const record = { step: 1, epoch: 1, damping: null, layers: [] };
  const noise = Buffer.from(Uint8Array.from({ length: random.int(300) }, () => random.int(256)));
  const torn = JSON.stringify({ ...record, step: 3 }).slice(0, random.int(10));
  writeFileSync(
    join(dir, 'diagnostics.jsonl'),
    Buffer.concat([Buffer.from(`${JSON.stringify(record)}\n`), noise, Buffer.from(`\n${torn}`)]),
  );
  expect(readDiagnostics(dir)).toEqual([record]);
  expect(merge().unfinished).toEqual([]);
});
