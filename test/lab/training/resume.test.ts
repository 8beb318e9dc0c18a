/** A run that was stopped goes on as if it had not been: through the run store, as the training processes do. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import type { OptimizerSpec } from '../../../src/lab/config/schema.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import { loadDataset } from '../../../src/lab/datasets/index.js';
import { type Checkpoint, checkpointsOf } from '../../../src/lab/results/checkpoint.js';
import { readRecord } from '../../../src/lab/results/record.js';
import { openRun, runDir } from '../../../src/lab/results/store.js';
import type { ProgressEvent } from '../../../src/lab/training/progress.js';
import { type Ending, train, type TrainOptions } from '../../../src/lab/training/train.js';
import { describeOnEveryBackend, isSlow, testBackends } from '../../support/backends.js';
import { someEnvironment, temporaryFolder } from '../results/support.js';
import { adam, exact, sgd, tinyDataset, tinySpec } from './fixtures.js';

const folder = temporaryFolder();
let dataset: Dataset;
beforeAll(async () => {
  dataset = cropped(await tinyDataset());
});

/** The first numbers of every picture as one of 4 x 4 pixels: the factors of K-FAC are small then. */
function cropped(whole: Dataset): Dataset {
  const [height, width, channels] = whole.shape;
  const crop = ({ images, ...split }: Dataset['train']): Dataset['train'] => {
    const kept = Array.from({ length: split.count }, (_, n) => {
      const start = n * height * width * channels;
      return [...images.subarray(start, start + 16 * channels)];
    });
    return { ...split, images: Uint8Array.from(kept.flat()) };
  };
  return { ...whole, shape: [4, 4, channels], train: crop(whole.train), test: crop(whole.test) };
}

const kfac: OptimizerSpec = {
  ...{ kind: 'kfac' as const, lr: 0.1, momentum: 0.9, statDecay: 0.95, damping: 0.01, klClip: 0.01, weightDecay: 0.1 },
  ...{ TCov: 2, TInv: 3 },
};
const environment = { ...someEnvironment, dataset: { ...someEnvironment.dataset, name: 'synthetic-cifar10' } } as const;
const everyStep = { everyMs: 0, shareOfTime: 1 };

interface Life extends Pick<TrainOptions, 'schedule' | 'memoryLimit'> {
  /** Stop after so many steps. */
  readonly stopAfter?: number;
  /** Instead of being stopped, the training is torn out of its process there: nothing more is written. */
  readonly crash?: boolean;
  readonly root?: string;
}

class Crash extends Error {}

/** One life of a run; it begins where the one before it has left off. */
async function live(spec: RunSpec, pictures: Dataset, { stopAfter, crash, root = folder.path, ...options }: Life = {}) {
  const writer = openRun(root, spec, environment, { keepCheckpoint: true });
  if (writer === 'done') throw new Error('done already');
  const stop = new AbortController();
  const events: ProgressEvent[] = [];
  const onProgress = (event: ProgressEvent): void => {
    events.push(event);
    if (event.type !== 'step' || event.step !== stopAfter) return;
    if (crash) throw new Crash();
    stop.abort();
  };
  let ending: Ending | null = null;
  try {
    const { resume } = writer;
    ending = await train(spec, pictures, writer, onProgress, stop.signal, { ...options, resume, keepCheckpoint: true });
    writer.finish(ending.state, ending.reason, ending.state === 'failed' ? { diverged: true } : {});
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    writer.finish('failed', 'crashed'); // gives the lock free
  }
  return { ending, notes: writer.notes, firstStep: events.find(({ type }) => type === 'step') };
}

/** Metrics without their times, and the last checkpoint without its. */
function result(spec: RunSpec, root = folder.path) {
  const dir = runDir(root, spec);
  const csv = readFileSync(join(dir, 'metrics.csv'), 'utf8');
  const [found] = [...checkpointsOf(dir)];
  if (!found || 'damage' in found) throw new Error('no checkpoint');
  const { clock, memoryLimit, arrays, ...rest } = found.stored.state as Partial<Checkpoint> & Checkpoint;
  const bytes = Object.entries(arrays).map(([name, { values }]) => [
    name,
    Buffer.from(values.buffer).toString('base64'),
  ]);
  expect([clock.wallMs > clock.asideMs, memoryLimit]).toEqual([true, memoryLimit]);
  return { rows: csv.split('\n').map((line) => line.split(',').toSpliced(2, 2)), ...rest, bytes };
}

async function expectSameAsWhole(spec: RunSpec, pictures: Dataset, stops: readonly Life[]): Promise<void> {
  const whole = join(folder.path, 'whole');
  await live(spec, pictures, { root: whole });
  for (const [i, stop] of stops.entries()) {
    const root = join(folder.path, `stopped${i}`);
    await live(spec, pictures, { ...stop, root });
    expect(await live(spec, pictures, { root })).toMatchObject({ ending: { state: 'done' } });
    expect(result(spec, root)).toEqual(result(spec, whole));
  }
}

describeOnEveryBackend('a run that was stopped', (backend) => {
  const optimizers: [string, OptimizerSpec][] = isSlow(backend)
    ? [['adam', adam]]
    : [
        ['sgd', sgd],
        ['adam', adam],
        ['kfac', kfac],
        ['cg-newton', tinySpec.optimizer],
      ];
  // Exact products take minutes on cpu.
  if (!isSlow(backend) && backend !== 'cpu') optimizers.push(['cg-newton on exact products', exact]);

  it.each(optimizers)('%s: goes on to the same numbers, to the last bit', async (_name, optimizer) => {
    // Five steps an epoch, evaluated after steps 1, 3, 5, 6, 8 and 10.
    await expectSameAsWhole({ ...tinySpec, optimizer }, dataset, [
      { stopAfter: 4 },
      { stopAfter: 7, crash: true }, // its last checkpoint is that of step 6
    ]);
  });
});

const backend = testBackends.includes('native') ? 'native' : 'wasm';

describe(`on ${backend}`, () => {
  beforeAll(async () => {
    await useBackend(parseBackend(backend));
  });

  it('exact products of convolutions take the ways that they had learnt to take', async () => {
    const pictures = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 24, testSamples: 6 });
    const optimizer = { ...exact, secondOrder: 'zero' as const, maxiter: 30, tol: 0.01 };
    const spec = { ...tinySpec, model: 'c4d3' as const, batchSize: 6, testBatchSize: 6, epochs: 1, optimizer };
    await expectSameAsWhole(spec, pictures, [{ stopAfter: 2 }]);
  });

  it('may be stopped again and again, after any step', async () => {
    const spec = { ...tinySpec, optimizer: kfac };
    const whole = join(folder.path, 'whole');
    await live(spec, dataset, { root: whole });
    for (let step = 1; step < 10; step++) {
      const { ending, firstStep } = await live(spec, dataset, { stopAfter: step });
      expect(ending).toEqual({ state: 'interrupted', reason: `stopped after step ${step} of 10` });
      expect(firstStep).toMatchObject({ step });
    }
    await live(spec, dataset);
    expect(result(spec)).toEqual(result(spec, whole));
    expect(readRecord(runDir(folder.path, spec)).continued?.map(({ step }) => step)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });

  it('clocks go on from where they stood', async () => {
    const spec = { ...tinySpec, optimizer: sgd };
    const timed = async (life: Life): Promise<number> => {
      const began = performance.now();
      await live(spec, dataset, life);
      return (performance.now() - began) / 1000;
    };
    let lived = await timed({ stopAfter: 6 });
    const dir = runDir(folder.path, spec);
    const times = (): number[][] =>
      readFileSync(join(dir, 'metrics.csv'), 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').slice(2, 4).map(Number));
    const before = times();
    await new Promise((resolve) => setTimeout(resolve, 500));
    lived += await timed({});
    const after = times();
    expect(after.slice(0, before.length)).toEqual(before);
    for (const [i, [wall, trainWall]] of after.entries()) {
      const [lastWall, lastTrainWall] = after[i - 1] ?? [0, 0];
      expect(wall! - lastWall!).toBeGreaterThanOrEqual(0);
      expect(trainWall! - lastTrainWall!).toBeGreaterThanOrEqual(0);
    }
    expect(after.at(-1)![0]).toBeLessThanOrEqual(lived + 0.001);
    expect(readRecord(dir).wallSeconds).toBeLessThanOrEqual(lived + 0.001);
  });

  it('goes on with no more memory than it had', async () => {
    const spec = { ...tinySpec, optimizer: exact };
    const whole = join(folder.path, 'whole');
    await live(spec, dataset, { root: whole, memoryLimit: 2e5 });
    await live(spec, dataset, { stopAfter: 3, memoryLimit: 2e5 });
    await live(spec, dataset, { memoryLimit: 2e9 });
    expect(result(spec)).toEqual(result(spec, whole));
  });

  it.each([
    ['an evaluation that is one only for being the last', 1, 5],
    ['an evaluation like any other', 2, 6],
  ])('goes on with more epochs after %s', async (_name, evaluationsPerEpoch, next) => {
    // Five steps an epoch, evaluated after the first of each, and after the third and the fifth where there are two.
    const spec = { ...tinySpec, optimizer: adam, evaluationsPerEpoch };
    const epochs = 1;
    const whole = join(folder.path, 'whole');
    await live({ ...spec, epochs: epochs + 1 }, dataset, { root: whole });
    await live({ ...spec, epochs }, dataset);
    const { ending, firstStep } = await live({ ...spec, epochs: epochs + 1 }, dataset);
    expect(ending).toMatchObject({ state: 'done' });
    expect(firstStep).toMatchObject({ step: next });
    expect(result(spec)).toEqual(result(spec, whole));
  });

  it('a run that diverged is not trained into the same wall again', async () => {
    const optimizer = { kind: 'sgd', lr: 1e30, momentum: 0 } as const;
    const spec: RunSpec = { ...tinySpec, optimizer, model: { hidden: [8], activation: 'relu' } };
    const { ending } = await live(spec, dataset, { schedule: everyStep });
    expect(ending).toMatchObject({ state: 'failed' });
    expect(readdirSync(runDir(folder.path, spec)).sort()).toEqual(['metrics.csv', 'run.json']);
    await expect(live(spec, dataset)).rejects.toThrow(
      /^tiny\/cg\/seed3: diverged at step \d+: batch loss is (NaN|Infinity), and would again: --force trains it from scratch$/,
    );
  });

  it('says that it cannot store checkpoints, and trains on', async () => {
    const spec = { ...tinySpec, optimizer: sgd };
    const notes: string[] = [];
    const sink = {
      append: () => undefined,
      heartbeat: () => undefined,
      checkpoint: () => {
        throw new Error('ENOSPC: no space left on device, write');
      },
    };
    const onProgress = (event: ProgressEvent): void => void (event.type === 'note' && notes.push(event.text));
    const options = { schedule: everyStep };
    const ending = await train(spec, dataset, sink, onProgress, new AbortController().signal, options);
    expect(ending.state).toBe('done');
    expect(notes[0]).toBe('no checkpoint at step 1: ENOSPC: no space left on device, write');
  });
});
