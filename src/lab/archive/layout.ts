/**
 * The layout of the authors' logged runs, the one place that knows it:
 *
 *   EXPERIMENT/KIND/RUN/METRIC.csv        step, a column a seed, mean, std
 *   EXPERIMENT/KIND/RUN/seedN/METRIC.csv  wall, step, value
 *
 * `step` counts training samples seen, `wall` seconds since the run's first log. RUN is made of the run's parameters.
 */
import type { Metric, ModelSpec, OptimizerSpec, Settings } from '../config/schema.js';
import { pythonBool, pythonFloat, pythonInt } from './python-text.js';

/** The authors' runs are all on the 50,000 training pictures of CIFAR-10. */
export const archivedTrainSamples = 50_000;

/** Names of the metrics' files, without `.csv`. */
export const archivedMetricNames: Readonly<Record<Metric, string>> = {
  batch_loss: 'batch_loss',
  batch_accuracy: 'batch_acc',
  train_loss: 'train_loss',
  train_accuracy: 'train_acc',
  test_loss: 'test_loss',
  test_accuracy: 'test_acc',
};

export const archivedMetricFiles: readonly string[] = Object.values(archivedMetricNames).map((name) => `${name}.csv`);

/** `seed3`: the folder of a seed, and its column in a merged file. */
export function seedName(seed: number): string {
  return `seed${seed}`;
}

/** The seed that such a name says; undefined for any other name. */
export function seedOfName(name: string): number | undefined {
  const [, digits] = /^seed(0|[1-9]\d{0,9})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** What of a variant goes into the names of its folders. */
export interface NamedVariant extends Omit<Settings, 'epochs'> {
  readonly name: string;
}

interface PublishedExperiment {
  readonly folder: string;
  /** The folder of an optimiser's runs below `folder`. */
  readonly kind: (optimizer: OptimizerSpec) => string;
  /** Whether run names say the activation even where it is the sigmoid of all published runs. */
  readonly namesActivation: boolean;
  /** Whether run names say the number of blocks even where it is one. */
  readonly namesBlocks: boolean;
  /** As the script of the experiment wrote it, an integer or a float. */
  readonly atol: (value: number) => string;
}

const mixed = { namesActivation: false, kind: () => 'cifar10', atol: zeroAsInt } as const;
const sorted = { namesActivation: true, namesBlocks: false, kind: optimizerKind, atol: pythonFloat } as const;
const published: ReadonlyMap<string, PublishedExperiment> = new Map([
  ['exp01', { ...mixed, folder: 'exp01_reproduce_chen_figures', namesBlocks: false }],
  ['exp02', { ...mixed, folder: 'exp02_chen_splitting', namesBlocks: true }],
  ['exp08', { ...sorted, folder: 'exp08_c4d3_optimization' }],
  ['exp09', { ...sorted, folder: 'exp09_c3d3_optimization' }],
]);

/** First folders of the published experiments: by these a tree is recognised. */
export const publishedFolders: readonly string[] = [...published.values()].map(({ folder }) => folder);

export function isPublished(experiment: string): boolean {
  return published.has(experiment);
}

function optimizerKind(optimizer: OptimizerSpec): string {
  return optimizer.kind === 'cg-newton' ? optimizer.curvature : optimizer.kind;
}

/** `exp08_c4d3_optimization/cvp`; an experiment of one's own has its name: `mine/cvp`. */
export function experimentDir(experiment: string, optimizer: OptimizerSpec): string {
  const known = published.get(experiment);
  return known ? `${known.folder}/${known.kind(optimizer)}` : `${experiment}/${optimizerKind(optimizer)}`;
}

/**
 * Keys and values sorted by key as Python sorts strings (capitals first), joined by underscores. What no published run
 * varies is named only where it is not as published; a variant of one's own experiment also has its name in it, so that
 * no two of them share a folder.
 */
export function runDirName(experiment: string, variant: NamedVariant): string {
  const known = published.get(experiment);
  const parameters = {
    ...modelParameters(variant.model, known),
    batch: pythonInt(variant.batchSize),
    ...optimizerParameters(variant.optimizer, known ?? { ...sorted, folder: '' }),
    ...(known ? {} : { variant: variant.name }),
  };
  return Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}_${value}`)
    .join('_');
}

/** EXPERIMENT/KIND/RUN of a variant, with slashes. */
export function runPath(experiment: string, variant: NamedVariant): string {
  return `${experimentDir(experiment, variant.optimizer)}/${runDirName(experiment, variant)}`;
}

type Parameters = Readonly<Record<string, string>>;

function modelParameters(model: ModelSpec, known: PublishedExperiment | undefined): Parameters {
  const activation = typeof model === 'string' ? 'sigmoid' : model.activation;
  return {
    ...((known?.namesActivation ?? true) || activation !== 'sigmoid' ? { act: activation } : {}),
    ...(typeof model === 'object' && 'hidden' in model ? { hidden: model.hidden.map(pythonInt).join('-') } : {}),
  };
}

function optimizerParameters(optimizer: OptimizerSpec, { namesBlocks, atol }: PublishedExperiment): Parameters {
  switch (optimizer.kind) {
    case 'sgd':
      return { opt: 'sgd', lr: pythonFloat(optimizer.lr), mom: pythonFloat(optimizer.momentum) };
    case 'adam':
      return {
        opt: 'adam',
        lr: pythonFloat(optimizer.lr),
        b1: pythonFloat(optimizer.beta1),
        b2: pythonFloat(optimizer.beta2),
        ...(optimizer.eps === 1e-8 ? {} : { eps: pythonFloat(optimizer.eps) }),
      };
    case 'kfac':
      return {
        opt: 'kfac',
        lr: pythonFloat(optimizer.lr),
        mom: pythonFloat(optimizer.momentum),
        stat_dec: pythonFloat(optimizer.statDecay),
        damp: pythonFloat(optimizer.damping),
        kl_clip: pythonFloat(optimizer.klClip),
        weight_dec: zeroAsInt(optimizer.weightDecay),
        TCov: pythonInt(optimizer.TCov),
        TInv: pythonInt(optimizer.TInv),
        batch_avg: pythonBool(true),
      };
    case 'cg-newton':
      return {
        opt: 'cgn',
        lr: pythonFloat(optimizer.lr),
        alpha: pythonFloat(optimizer.alpha),
        tol: pythonFloat(optimizer.tol),
        atol: atol(optimizer.atol),
        maxiter: pythonInt(optimizer.maxiter),
        mod2nd: optimizer.secondOrder,
        ...(namesBlocks || optimizer.blocks !== 1 ? { blocks: pythonInt(optimizer.blocks) } : {}),
        ...(optimizer.solver === 'fast' ? {} : { solver: optimizer.solver }),
        ...(optimizer.reorthogonalize ? { reorth: pythonBool(true) } : {}),
        ...(optimizer.route === undefined ? {} : { route: optimizer.route }),
      };
  }
}

/** A float that the scripts give as the integer 0 where it is zero. */
function zeroAsInt(value: number): string {
  return value === 0 ? '0' : pythonFloat(value);
}

/**
 * A run's name with its numbers in one spelling, so that `atol_0` and `atol_0.0` are the same run: what the archive's own
 * scripts wrote is known, what older ones did is not.
 */
export function normalizedRunName(name: string): string {
  return name
    .split('_')
    .map((word) => (/^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(word) ? String(Number(word)) : word))
    .join('_');
}
