import { ConfigError } from '../../errors.js';
import { applyPoint, gridPoints, pointLabel, pointName } from './grid.js';
import { didYouMean } from './nearest.js';
import { settingsSchema, type DatasetName, type Experiment, type Settings, type Variant } from './schema.js';
import { seedList } from './seeds.js';
import type { RunSpec } from './spec.js';

/** A variant as it is trained and drawn: one of the file, or one point of its grid. */
export interface ExpandedVariant extends Settings {
  /** Its name in run folders and figures. */
  readonly name: string;
  /** Its name in the experiment file. */
  readonly base: string;
  readonly label: string;
  readonly color: string | undefined;
}

export interface ExpandOptions {
  /** Names of variants; the name of a variant with a grid selects all of its points. */
  readonly variants?: readonly string[] | undefined;
  readonly seeds?: readonly number[] | undefined;
  readonly epochs?: number | undefined;
  readonly dataset?: DatasetName | undefined;
  /** The file's reduced size; the options above still win. */
  readonly quick?: boolean | undefined;
}

/** The settings of a variant, gaps filled by the experiment. */
export function variantSettings(experiment: Experiment, variant: Variant): Settings {
  return {
    model: variant.model ?? experiment.model,
    optimizer: variant.optimizer,
    batchSize: variant.batchSize ?? experiment.batchSize,
    epochs: variant.epochs ?? experiment.epochs,
  };
}

/** Experiments do not change once they are read, and a search has hundreds of variants. */
const expanded = new WeakMap<Experiment, readonly ExpandedVariant[]>();

/** All variants in the order of the file, grids expanded. */
export function variantsOf(experiment: Experiment): readonly ExpandedVariant[] {
  const known = expanded.get(experiment);
  if (known) return known;
  const variants = expandVariants(experiment);
  expanded.set(experiment, variants);
  return variants;
}

function expandVariants(experiment: Experiment): ExpandedVariant[] {
  return Object.entries(experiment.variants).flatMap(([base, variant]) => {
    const { label, color, grid } = variant;
    const settings = variantSettings(experiment, variant);
    if (!grid) return [{ ...settings, name: base, base, label, color }];
    return gridPoints(grid).map((point) => ({
      ...settingsSchema.parse(applyPoint(settings, point)),
      name: pointName(base, point),
      base,
      label: pointLabel(label, point),
      color,
    }));
  });
}

/**
 * The variants that the names select, in the order of the file.
 *
 * @throws ConfigError  a name that selects nothing; suggests the nearest
 */
export function selectVariants(experiment: Experiment, names: readonly string[]): readonly ExpandedVariant[] {
  const all = variantsOf(experiment);
  for (const name of names) {
    if (all.some((variant) => isSelectedBy(variant, name))) continue;
    const known = [...new Set(all.flatMap(({ base, name }) => [base, name]))];
    throw new ConfigError(`${experiment.name} has no variant "${name}": ${didYouMean(name, known)}`);
  }
  return all.filter((variant) => names.some((name) => isSelectedBy(variant, name)));
}

function isSelectedBy(variant: ExpandedVariant, name: string): boolean {
  return variant.name === name || variant.base === name;
}

/** The seeds of the file, at full or reduced size. */
export function seedsOf(experiment: Experiment, quick = false): number[] {
  return seedList(quick ? experiment.quick.seeds : experiment.seeds);
}

/**
 * Every run of an experiment: variants (grids expanded) x seeds, in that order.
 *
 * @throws ConfigError  an unknown variant
 */
export function expandExperiment(experiment: Experiment, options: ExpandOptions = {}): RunSpec[] {
  const quick = options.quick ? experiment.quick : undefined;
  const variants = options.variants ? selectVariants(experiment, options.variants) : variantsOf(experiment);
  const seeds = options.seeds ?? seedsOf(experiment, options.quick);
  return variants.flatMap((variant) =>
    seeds.map((seed) => ({
      experiment: experiment.name,
      variant: variant.name,
      label: variant.label,
      seed,
      dataset: options.dataset ?? experiment.dataset,
      ...(quick && { trainSamples: quick.trainSamples, testSamples: quick.testSamples }),
      model: variant.model,
      optimizer: variant.optimizer,
      batchSize: quick?.batchSize ?? variant.batchSize,
      testBatchSize: experiment.testBatchSize,
      epochs: options.epochs ?? quick?.epochs ?? variant.epochs,
      evaluationsPerEpoch: experiment.evaluationsPerEpoch,
    })),
  );
}
