import { useBackend } from '../../../src/engine/backend/index.js';
import { memory } from '../../../src/engine/tf.js';
import { ConfigError } from '../../../src/errors.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import type { Inspection } from '../../../src/lab/inspect/inspect.js';
import type { Checkpoint } from '../../../src/lab/results/checkpoint.js';
import { train } from '../../../src/lab/training/train.js';
import { testBackends } from '../../support/backends.js';
import { tinyDataset } from '../training/fixtures.js';
import { look, smallSpec } from './fixtures.js';

let dataset: Dataset;
beforeAll(async () => {
  await useBackend(testBackends.includes('native') ? 'native' : 'wasm');
  dataset = await tinyDataset();
});

type Seen = { way: string; secondOrder: string };
const find = <T extends Seen>(all: readonly T[], way: string, secondOrder: string): T =>
  all.find((each) => each.way === way && each.secondOrder === secondOrder)!;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The entries of the blocks of single parameters, all else zero. */
function blocksOf({ parameters }: Inspection, entries: Float32Array, n: number): Float32Array {
  const owner = parameters.flatMap(({ elements }, i) => Array<number>(elements.length).fill(i));
  return entries.map((entry, at) => (owner[Math.floor(at / n)] === owner[at % n] ? entry : 0));
}

function expectEqual(found: Float32Array, wanted: Float32Array, tolerance = 1e-5): void {
  const most = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const worst = found.reduce((a, value, i) => Math.max(a, Math.abs(value - wanted[i]!)), 0);
  expect(most).toBeGreaterThan(0);
  expect(worst / most).toBeLessThan(tolerance);
}

test('matrices are symmetric; PCH is positive semi-definite, the Hessian of a fresh network is not', async () => {
  const found = await look(dataset);
  expect(found.parametersInAll).toBe(107);
  expect(found.matrices).toHaveLength(8);
  for (const { entries, size } of found.matrices) {
    expect(size).toBe(107);
    expectEqual(
      entries.map((_, at) => entries[(at % size) * size + Math.floor(at / size)]!),
      entries,
    );
  }
  for (const { values, secondOrder } of found.spectra) {
    expect(values).toEqual([...values].sort((a, b) => b - a));
    if (secondOrder !== 'none') expect(values.at(-1)!).toBeGreaterThan(-1e-5 * values[0]!);
  }
  const hessian = found.spectra.find(({ path, secondOrder }) => path === '2.weight' && secondOrder === 'none')!;
  expect(hessian.values.at(-1)!).toBeLessThan(-0.01 * hessian.values[0]!);
});

test('a trace is the sum of the eigenvalues and of the diagonal of the block', async () => {
  const found = await look(dataset);
  const { traces } = found.moments[0]!;
  expect(traces).toHaveLength(8 * found.parameters.length);
  for (const { path, way, secondOrder, value, standardError } of traces) {
    const { values } = found.spectra.find(
      (each) => each.path === path && each.way === way && each.secondOrder === secondOrder,
    )!;
    const { entries, size } = find(found.matrices, way, secondOrder);
    let begin = 0;
    for (const parameter of found.parameters) {
      if (parameter.path === path) break;
      begin += parameter.size;
    }
    const diagonal = values.map((_, i) => entries[(begin + i) * (size + 1)]!);
    const scale = sum(values.map(Math.abs));
    expect(standardError).toBe(0);
    expect(Math.abs(value - sum(values)) / scale).toBeLessThan(1e-4);
    expect(Math.abs(value - sum(diagonal)) / scale).toBeLessThan(1e-4);
  }
});

test('of one sample averaging leaves every block as it is; of more it does not', async () => {
  const [one, many] = [await look(dataset, { batch: 1 }), await look(dataset, { batch: 30 })];
  for (const { secondOrder, entries, size } of one.matrices.filter(({ way }) => way === 'exact')) {
    expectEqual(find(one.matrices, 'averaged', secondOrder).entries, blocksOf(one, entries, size));
  }
  const [exact, averaged] = ['exact', 'averaged'].map((way) => find(many.moments[0]!.traces, way, 'zero'));
  expect([exact!.path, averaged!.path]).toEqual(['2.weight', '2.weight']);
  expect(averaged!.value).toBeLessThan(0.5 * exact!.value);
});

test('chosen layers give the part of the whole that is theirs; too many elements are drawn, evenly', async () => {
  const whole = await look(dataset);
  const part = await look(dataset, { layers: ['4', '6.bias'] });
  expect(part.parameters.map(({ path }) => path)).toEqual(['4.weight', '4.bias', '6.bias']);
  const rows = whole.parameters.flatMap(({ path, size }) =>
    Array<boolean>(size).fill(part.parameters.some((each) => each.path === path)),
  );
  for (const { way, secondOrder, entries, size } of part.matrices) {
    const all = find(whole.matrices, way, secondOrder).entries;
    expect(size).toBe(12 + 3 + 10);
    expectEqual(
      entries,
      all.filter((_, at) => rows[Math.floor(at / 107)] && rows[at % 107]),
    );
  }
  const drawn = await look(dataset, { layers: ['all'], limit: 40 });
  expect(drawn.parameters.map(({ size, elements }) => [size, elements.length])).toEqual([
    [48, 8],
    [4, 4],
    [12, 8],
    [3, 3],
    [30, 8],
    [10, 8],
  ]);
  const [first] = drawn.parameters;
  expect([...first!.elements]).toEqual([...first!.elements].sort((a, b) => a - b));
  const sample = find(drawn.matrices, 'exact', 'none');
  const matrix = find(whole.matrices, 'exact', 'none').entries;
  const [i, j] = [first!.elements[1]!, first!.elements[3]!];
  expect(sample.entries[1 * sample.size + 3]).toBeCloseTo(matrix[i * 107 + j]!, 6);
  // 48 elements are more than 40: estimated, within five standard errors of the exact trace.
  const estimate = find(drawn.moments[0]!.traces, 'exact', 'zero');
  const exact = find(whole.moments[0]!.traces, 'exact', 'zero');
  expect(estimate.path).toBe('2.weight');
  expect(estimate.standardError).toBeGreaterThan(0);
  expect(Math.abs(estimate.value - exact.value)).toBeLessThan(5 * estimate.standardError);
  expect(drawn.spectra.some(({ path }) => path === '2.weight')).toBe(false);
});

test('without names the last layers that fit are taken; wrong names and sizes are said', async () => {
  const last = await look(dataset, { limit: 60 });
  expect(last.parameters.map(({ path }) => path)).toEqual(['4.weight', '4.bias', '6.weight', '6.bias']);
  await expect(look(dataset, { layers: ['3'] })).rejects.toThrow(
    new ConfigError('--layers: the network has no layer "3" with parameters: it has 2, 4, 6'),
  );
  await expect(look(dataset, { batch: 231 })).rejects.toThrow('--batch: found 231, but there are 230 training samples');
  await expect(look(dataset, { layers: ['all'], limit: 5 })).rejects.toThrow('--limit: found 5, fewer than the 6');
});

test('steps that are trained here are those of the run; equal seeds see equal batches, and no tensor stays', async () => {
  const checkpoints: Checkpoint[] = [];
  const sink = {
    append: () => undefined,
    heartbeat: () => undefined,
    checkpoint: (state: Checkpoint) =>
      void checkpoints.push({
        ...state,
        arrays: Object.fromEntries(
          Object.entries(state.arrays).map(([name, { shape, values }]) => [
            name,
            { shape, values: Float32Array.from(values) },
          ]),
        ),
      }),
  };
  const { signal } = new AbortController();
  await train({ ...smallSpec, epochs: 1 }, dataset, sink, () => undefined, signal, { keepCheckpoint: true });
  const stored = checkpoints.at(-1)!;
  const [fromRun, trained] = [
    await look(dataset, { checkpoints: [stored] }),
    await look(dataset, { trainSteps: stored.step }),
  ];
  expect(fromRun.moments.map(({ step }) => step)).toEqual([0, stored.step]);
  expect(trained.moments.map(({ step }) => step)).toEqual(Array.from({ length: stored.step + 1 }, (_, i) => i));
  expect(trained.moments.at(-1)).toEqual(fromRun.moments.at(-1));
  expect(trained.loss).toBe(fromRun.loss);
  const before = memory().numTensors;
  expect(await look(dataset, { trainSteps: stored.step })).toEqual(trained);
  expect(memory().numTensors).toBe(before);
  expect((await look(dataset, {}, { ...smallSpec, seed: 4 })).loss).not.toBe((await look(dataset)).loss);
});
