/** `states`: parameters in the middle of training, made by training; bench/states keeps them with how they were made. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '../../dist/engine/tf.js';
import { indexBatches, shuffled } from '../../dist/lab/datasets/batches.js';
import type { Dataset } from '../../dist/lab/datasets/dataset.js';
import { seededStreams } from '../../dist/lab/random.js';
import { toBatch } from '../../dist/lab/training/batch.js';
import { createModel } from '../../dist/lab/training/model.js';
import { createStepper } from '../../dist/lab/training/step.js';
import { activate } from '../backend.js';
import { say } from '../say.js';
import { writeFloats } from './floats.js';
import { benchVariant } from './variants.js';

/** When training ends: the first of both. */
export interface Recipe {
  /** The variant that trains, "exp08/adam". */
  readonly by: string;
  readonly steps: number;
  /** Mean over the last `window` batches at which it ends sooner. */
  readonly loss?: number | undefined;
}

/** How a state was made. */
export interface StateNote extends Recipe {
  readonly stepsTaken: number;
  /** Mean over the last `window` batches. */
  readonly lossReached: number;
  readonly seed: number;
  readonly dataset: string;
  readonly fingerprint: string;
  readonly backend: string;
  readonly date: string;
}

/** By experiment; exp02 differs from exp01 in how it solves, not in where training leads. */
const recipes: Readonly<Record<string, Recipe>> = {
  exp01: { by: 'exp01/cg-pch-abs', steps: 3000 },
  exp02: { by: 'exp02/blocks-4', steps: 3000 },
  exp08: { by: 'exp08/adam', steps: 10_000, loss: 1.0 },
  exp09: { by: 'exp09/adam', steps: 10_000, loss: 1.6 },
};

const folder = fileURLToPath(new URL('../../bench/states/', import.meta.url));
const manifest = `${folder}manifest.json`;
const seed = 0;
const window = 50;

export function stateFile(experiment: string): string {
  return `${folder}${experiment}.f32`;
}

/** How the state of an experiment was made; null: there is none. */
export function stateNote(experiment: string): StateNote | null {
  return existsSync(stateFile(experiment)) ? (readManifest()[experiment] ?? null) : null;
}

export interface StatesOptions {
  readonly backend: string;
  readonly threads: number | undefined;
  /** Experiments that match. */
  readonly only: RegExp;
  /** Instead of what the recipe says. */
  readonly recipe: Partial<Recipe>;
}

export async function makeStates(dataset: Dataset, options: StatesOptions): Promise<void> {
  const backend = await activate(options.backend, options.threads);
  mkdirSync(folder, { recursive: true });
  for (const [experiment, usual] of Object.entries(recipes)) {
    if (!options.only.test(experiment)) continue;
    const recipe = { ...usual, ...options.recipe };
    const note = await makeState(experiment, recipe, dataset);
    const about = `${backend.name} (${backend.description}), ${backend.threads} threads`;
    const complete: StateNote = { ...note, backend: about, date: new Date().toISOString() };
    writeFileSync(manifest, `${JSON.stringify({ ...readManifest(), [experiment]: complete }, null, 2)}\n`);
    say(`${experiment}: ${describeState(complete)}`);
  }
}

export function describeState({ by, stepsTaken, lossReached, dataset }: StateNote): string {
  return `${stepsTaken} steps of ${by} on ${dataset}, seed ${seed}: mean loss of the last batches ${lossReached.toFixed(3)}`;
}

async function makeState(
  experiment: string,
  recipe: Recipe,
  dataset: Dataset,
): Promise<Omit<StateNote, 'backend' | 'date'>> {
  const variant = benchVariant(recipe.by);
  const { init, shuffle } = seededStreams(seed);
  const model = createModel(variant.model, dataset, init);
  const stepper = createStepper(model, variant.optimizer);
  const losses: number[] = [];
  const reached = (): number => {
    const last = losses.slice(-window);
    return last.reduce((sum, loss) => sum + loss, 0) / last.length;
  };
  const isDone = (): boolean =>
    losses.length >= recipe.steps || (recipe.loss !== undefined && losses.length >= window && reached() <= recipe.loss);
  while (!isDone()) {
    for (const indices of indexBatches(shuffled(dataset.train.count, shuffle), variant.batch)) {
      const batch = toBatch(dataset, dataset.train, indices);
      const score = await stepper.step(batch);
      const [lossSum = NaN] = await score.data();
      tf.dispose([batch.inputs, batch.labels, score]);
      losses.push(lossSum / indices.length);
      if (!Number.isFinite(losses.at(-1))) throw new Error(`${recipe.by} diverged at step ${losses.length}`);
      if (losses.length % 100 === 0) say(`${experiment}: step ${losses.length}, loss ${reached().toFixed(3)}`);
      if (isDone()) break;
    }
  }
  const values = await Promise.all(
    model.parameters.map(async ({ parameter }) => (await parameter.value.data<'float32'>()).slice()),
  );
  writeFloats(stateFile(experiment), ...values);
  stepper.dispose();
  model.dispose();
  const { name, fingerprint } = dataset;
  return { ...recipe, stepsTaken: losses.length, lossReached: reached(), seed, dataset: name, fingerprint };
}

function readManifest(): Record<string, StateNote> {
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, StateNote>) : {};
}
