/**
 * Readers of files against random and mutated bytes: a result, or one of our own errors with a message for a person; no
 * other exception, no hang, no memory without bounds. `npm run test:fuzz` is the long form.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { create } from 'tar';
import { HbpError } from '../../src/errors.js';
import { defaultLimits } from '../../src/lab/archive/limits.js';
import { parseNumberTable } from '../../src/lab/archive/table.js';
import { findTree } from '../../src/lab/archive/tree.js';
import { unpackZip } from '../../src/lab/archive/zip.js';
import { expandExperiment } from '../../src/lab/config/expand.js';
import { loadExperiment } from '../../src/lab/config/load.js';
import { listArchive } from '../../src/lab/datasets/archive.js';
import { cifar10 } from '../../src/lab/datasets/cifar10.js';
import { mnist, readSplit } from '../../src/lab/datasets/mnist.js';
import { readReceipt } from '../../src/lab/receipt.js';
import { checkpointAhead, checkpointsOf, writeCheckpoint } from '../../src/lab/results/checkpoint.js';
import { parseDiagnostics } from '../../src/lab/results/diagnostics.js';
import { parseMetrics } from '../../src/lab/results/metrics.js';
import { readRecord } from '../../src/lab/results/record.js';
import { inspectRun } from '../../src/lab/results/inspect.js';
import { openRun, type RunWriter } from '../../src/lab/results/store.js';
import { experimentsDir, runFiles, sgdDir } from '../lab/archive/fixtures.js';
import { entriesOf, makeZip } from '../lab/archive/zip-maker.js';
import { cifarFileSize, idx, mnistFiles, writeCifar10, writeFiles } from '../lab/datasets/fixtures.js';
import { someEnvironment, someRow, someSpec } from '../lab/results/support.js';
import { mutated } from './mutate.js';

const { HBP_FUZZ: form, HBP_FUZZ_SEED: seed = '0' } = process.env;
/** The long form has a hundred times as many inputs. */
const share = form === 'long' ? 1 : 0.01;

/** An input takes milliseconds; a busy machine may make seconds of them. */
const mostMs = 10_000;
const mostBytes = 400e6;

const root = mkdtempSync(join(tmpdir(), 'hbp-fuzz-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = (name: string): string => {
  mkdirSync(join(root, name), { recursive: true });
  return join(root, name);
};

/**
 * Feeds a reader, as a test.
 *
 * @param inputs  in the long form
 * @param lines   whether every line of a message stands for itself: an experiment file's problems
 */
function fuzz(
  what: string,
  inputs: number,
  valid: readonly Uint8Array[],
  read: (input: Buffer) => unknown,
  lines = false,
): void {
  const numRuns = Math.ceil(inputs * share);
  it(
    `${what}: ${numRuns} inputs`,
    async () => {
      await read(Buffer.from(valid[0]!)); // what is valid must be taken
      const before = process.memoryUsage().rss;
      const property = fc.asyncProperty(mutated(...valid), async (input) => {
        const began = performance.now();
        try {
          await read(input);
        } catch (error) {
          if (!(error instanceof HbpError)) throw error;
          expect(error.message).not.toBe('');
          if (!lines) expect(error.message).not.toMatch(/[\p{Cc}\u2028]/u);
        }
        expect(performance.now() - began).toBeLessThan(mostMs);
      });
      await fc.assert(property, { numRuns, seed: Number(seed) });
      expect(process.memoryUsage().rss - before).toBeLessThan(mostBytes);
    },
    form === 'long' ? 3_600_000 : 180_000,
  );
}

const experiments = readdirSync(experimentsDir)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(experimentsDir, name)));
const experimentFile = join(root, 'fuzzed.yaml');
fuzz(
  'experiment files',
  3000,
  experiments,
  (input) => {
    writeFileSync(experimentFile, input);
    return expandExperiment(loadExperiment(experimentFile, { experimentsDir }), {});
  },
  true,
);

/** A run with a checkpoint, and what is in its folder. */
const runDir = (() => {
  const writer = openRun(folder('runs'), someSpec(), someEnvironment, { keepCheckpoint: true }) as RunWriter;
  for (let i = 1; i <= 5; i++) writer.append(someRow(i));
  const state = {
    ...{ step: 5, epoch: 0.05, clock: { wallMs: 5, asideMs: 1 }, memoryLimit: null, numbers: { step: 5 } },
    random: { shuffle: [1, 2, 3, 4], subset: [5, 6, 7, 8] },
    arrays: { 'parameters.1.weight': { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) } },
  };
  writer.checkpoint(state);
  writer.finish('interrupted', 'stopped');
  return writer.dir;
})();
const inRun = (name: string): string => join(runDir, name);

fuzz('metrics.csv', 5000, [readFileSync(inRun('metrics.csv'))], (input) =>
  parseMetrics(input.toString('utf8'), 'metrics.csv'),
);

const archived = Object.values(runFiles(sgdDir, [0])).map((text) => new Uint8Array(Buffer.from(text)));
fuzz("tables of the authors' runs", 3000, archived, (input) =>
  parseNumberTable(input.toString('utf8'), 'train_loss.csv', (column) => column !== 'wall'),
);

const diagnostics = `${JSON.stringify({
  ...{ step: 1, epoch: 0.5, damping: null },
  layers: [
    {
      path: '2.weight',
      gradientNorm: 1,
      updateNorm: null,
      cg: { iterations: { least: 1, mean: 2, most: 3 }, stops: {} },
    },
  ],
})}\n`;
fuzz('diagnostics.jsonl', 2000, [new Uint8Array(Buffer.from(diagnostics.repeat(3)))], (input) =>
  parseDiagnostics(input.toString('utf8')),
);

const record = readFileSync(inRun('run.json'));
fuzz('run.json', 2500, [record], (input) => {
  writeFileSync(inRun('run.json'), input);
  inspectRun(runDir); // never throws
  return readRecord(runDir);
});

const checkpoint = readFileSync(inRun('checkpoint.safetensors'));
const alone = folder('checkpoint');
function readCheckpoints(input: Buffer): void {
  writeFileSync(join(alone, 'checkpoint.safetensors'), input);
  checkpointAhead(alone);
  for (const found of checkpointsOf(alone)) {
    if ('damage' in found) expect(found.damage).not.toMatch(/[\n\r]/);
    else rewrite(found.stored);
  }
}
/** What could be read is whole: it can be written. */
function rewrite(stored: Parameters<typeof writeCheckpoint>[1]): void {
  writeCheckpoint(folder('rewritten'), stored);
}
fuzz('checkpoints', 1500, [checkpoint], readCheckpoints);
fuzz('checkpoints with a right checksum', 1500, [checkpoint], (input) => {
  if (input.length > 32)
    createHash('sha256')
      .update(input.subarray(0, -32))
      .digest()
      .copy(input, input.length - 32);
  readCheckpoints(input);
});

const digits = writeFiles(folder('mnist'), mnistFiles());
const labels = 't10k-labels-idx1-ubyte';
fuzz('labels in idx files', 800, [idx([2049, 10_000], [7, 2])], async (input) => {
  writeFileSync(join(digits, labels), input);
  await mnist.check(digits);
  return readSplit(digits, 't10k', 10_000);
});
const zipped = writeFiles(folder('mnist-gz'), mnistFiles());
rmSync(join(zipped, labels));
fuzz('labels in gzipped idx files', 800, [gzipSync(idx([2049, 10_000], [7, 2]))], async (input) => {
  writeFileSync(join(zipped, `${labels}.gz`), input);
  await mnist.check(zipped);
  return readSplit(zipped, 't10k', 10_000);
});

const pictures = writeCifar10(folder('cifar'));
fuzz('records of CIFAR-10', 800, [new Uint8Array(3073 * 3)], (input) => {
  const path = join(pictures, 'test_batch.bin');
  writeFileSync(path, input);
  if (input.length % 4 !== 0) truncateSync(path, cifarFileSize); // else it has the wrong size
  return cifar10.read(pictures, { train: 1, test: 3 });
});
// The valid one has a length that is no multiple of four: it gets the right size.

const zip = makeZip(entriesOf(runFiles(sgdDir, [0])));
const unpacked = folder('unpacked');
fuzz('zip archives', 1500, [zip], async (input) => {
  const path = join(root, 'fuzzed.zip');
  writeFileSync(path, input);
  try {
    await unpackZip(path, unpacked, (paths) => findTree(paths, path).files, defaultLimits);
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
});

const tarFolder = writeFiles(folder('to-pack'), {
  'data_batch_1.bin': new Uint8Array(700),
  'readme.txt': new Uint8Array(5),
});
const tarOf = (gzip: boolean): Uint8Array => {
  const path = join(root, 'valid.tar');
  create({ file: path, cwd: tarFolder, gzip, sync: true, portable: true }, ['data_batch_1.bin', 'readme.txt']);
  return new Uint8Array(readFileSync(path));
};
fuzz('tar archives', 1500, [tarOf(false), tarOf(true)], (input) => {
  const path = join(root, 'fuzzed.tar');
  writeFileSync(path, input);
  return listArchive(path);
});

const receipt = { source: 'x', official: true, fingerprint: 'sha256:aa', archive: { bytes: 3, blob: 'bb' } };
fuzz('receipts', 800, [new Uint8Array(Buffer.from(JSON.stringify(receipt)))], (input) => {
  writeFileSync(join(root, 'hbp-receipt.json'), input);
  return readReceipt(root);
});
