import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import * as tf from '../../../src/engine/tf.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import {
  type DiagnosticsRecord,
  diagnosticsFile,
  diagnosticsWriter,
  parseDiagnostics,
  readDiagnostics,
} from '../../../src/lab/results/diagnostics.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { train } from '../../../src/lab/training/train.js';
import { adam, exact, timeless, tinyDataset, tinySpec } from './fixtures.js';

/** Rows and diagnostics of a run, and how many tensors it leaves behind. */
async function trained(spec: RunSpec, dataset: Dataset, looking = true, memoryLimit?: number) {
  const rows: MetricsRow[] = [];
  const records: DiagnosticsRecord[] = [];
  const before = tf.memory().numTensors;
  await train(
    spec,
    dataset,
    {
      append: (row) => void rows.push(row),
      heartbeat: () => undefined,
      ...(looking && { diagnostics: { append: (record: DiagnosticsRecord) => void records.push(record) } }),
    },
    () => undefined,
    new AbortController().signal,
    memoryLimit === undefined ? {} : { memoryLimit },
  );
  return { rows, records, left: tf.memory().numTensors - before };
}

describe('of a step', () => {
  let dataset: Dataset;
  beforeAll(async () => {
    await useBackend(parseBackend('wasm'));
    dataset = await tinyDataset();
  });

  it('of plain gradient descent: an update is lr times the gradient, everywhere', async () => {
    const { records, rows } = await trained(
      { ...tinySpec, optimizer: { kind: 'sgd', lr: 0.25, momentum: 0 } },
      dataset,
    );
    expect(records.map(({ step, epoch }) => ({ step, epoch }))).toEqual(
      rows.map(({ step, epoch }) => ({ step, epoch })),
    );
    for (const { layers, damping } of records) {
      expect(damping).toBeNull();
      expect(layers.map(({ path }) => path)).toEqual([
        ...['1.weight', '1.bias', '3.weight', '3.bias', '5.weight', '5.bias'],
      ]);
      for (const { gradientNorm, updateNorm, cg } of layers) {
        expect(gradientNorm).toBeGreaterThan(0);
        expect(Math.abs(updateNorm! / gradientNorm! - 0.25)).toBeLessThan(2e-3);
        expect(cg).toBeUndefined();
      }
    }
  });

  it('of CG-Newton: iterations and reasons of every row block, and the damping', async () => {
    const { records } = await trained(tinySpec, dataset);
    for (const { layers, damping } of records) {
      expect(damping).toBe(0.02);
      for (const { path, cg } of layers) {
        const blocks = Object.values(cg!.stops).reduce((sum, count) => sum + count, 0);
        // Three blocks of a layer with 12, 8 or 10 outputs.
        expect({ path, blocks }).toEqual({ path, blocks: 3 });
        expect(cg!.iterations.least).toBeLessThanOrEqual(cg!.iterations.mean);
        expect(cg!.iterations.mean).toBeLessThanOrEqual(cg!.iterations.most);
        expect(cg!.iterations.most).toBeLessThanOrEqual(51);
      }
    }
  });

  it('changes no number of the run and keeps no tensor', async () => {
    for (const optimizer of [tinySpec.optimizer, exact, adam]) {
      const spec = { ...tinySpec, optimizer };
      await trained(spec, dataset); // what a backend keeps for good is made
      const [without, withThem] = [await trained(spec, dataset, false), await trained(spec, dataset)];
      expect(withThem.rows.map(timeless)).toEqual(without.rows.map(timeless));
      expect(withThem.left).toBe(without.left);
      expect(without.records).toEqual([]);
      expect(withThem.records).toHaveLength(withThem.rows.length);
    }
  });

  it('sums the gradients of a batch that is done in chunks', async () => {
    const spec = { ...tinySpec, optimizer: exact, batchSize: 230, epochs: 1 };
    const [whole, chunked] = [await trained(spec, dataset), await trained(spec, dataset, true, 200_000)];
    const norms = (records: readonly DiagnosticsRecord[]): number[] =>
      records[0]!.layers.map(({ gradientNorm }) => gradientNorm!);
    norms(chunked.records).forEach((value, i) => {
      expect(Math.abs(value / norms(whole.records)[i]! - 1)).toBeLessThan(1e-3);
    });
  });

  it('takes at most a thousand of the evaluations, evenly', async () => {
    const spec = { ...tinySpec, optimizer: adam, epochs: 2, evaluationsPerEpoch: 1500, trainSamples: 230 };
    const { rows, records } = await trained(spec, dataset);
    expect(rows).toHaveLength(10); // every step
    expect(records.map(({ step }) => step)).toEqual([1, 5, 9]); // (2 x 1501) / 1000, rounded up to 4
  });
});

describe('the file', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hbp-diagnostics-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const record = (step: number): DiagnosticsRecord => ({
    ...{ step, epoch: step / 10, damping: null },
    layers: [{ path: '1.weight', gradientNorm: step, updateNorm: null }],
  });

  it('begins anew with step 1 and goes on otherwise', () => {
    writeFileSync(join(dir, diagnosticsFile), 'what an earlier run left\n');
    const writer = diagnosticsWriter(dir);
    writer.append(record(1));
    writer.append(record(5));
    diagnosticsWriter(dir).append(record(9));
    expect(readDiagnostics(dir)).toEqual([record(1), record(5), record(9)]);
    expect(readFileSync(join(dir, diagnosticsFile), 'utf8').split('\n')).toHaveLength(4);
  });

  it('is read as far as it can be', () => {
    const lines = [record(1), record(5), record(9), record(5), record(7)].map((each) => JSON.stringify(each));
    const text = [...lines.slice(0, 3), 'no JSON', '{"step": 10}', ...lines.slice(3), '{"step": 8, "ep'].join('\n');
    expect(parseDiagnostics(text).map(({ step }) => step)).toEqual([1, 5, 7]);
    expect(readDiagnostics(join(dir, 'nowhere'))).toEqual([]);
  });
});
