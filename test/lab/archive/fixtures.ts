/** Trees in the authors' layout, as their scripts write them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { variantsOf, type ExpandedVariant } from '../../../src/lab/config/expand.js';
import { loadExperiment } from '../../../src/lab/config/load.js';

export const experimentsDir = fileURLToPath(new URL('../../../experiments', import.meta.url));

export function variantOf(experiment: string, name: string): ExpandedVariant {
  return variantsOf(loadExperiment(experiment, { experimentsDir })).find((variant) => variant.name === name)!;
}

/** Files by path below a folder. */
export type Files = Readonly<Record<string, string>>;

export function writeTree(root: string, files: Files): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

export const sgdDir = 'exp01_reproduce_chen_figures/cifar10/batch_500_lr_0.1_mom_0.9_opt_sgd';
export const adamDir = 'exp08_c4d3_optimization/adam/act_sigmoid_b1_0.9_b2_0.999_batch_100_lr_0.001_opt_adam';
export const metrics = ['batch_acc', 'batch_loss', 'test_acc', 'test_loss', 'train_acc', 'train_loss'];

/** What the metric number m of a seed is at an evaluation. */
export const valueAt = (seed: number, m: number, evaluation: number): number =>
  (m % 2 === 0 ? 0.1 : 2) + seed / 8 + evaluation / 64;

/** A seed's file of the metric number m: an evaluation an epoch, ten seconds apart. */
export const seedCsv = (seed: number, m: number, evaluations = 3): string =>
  ['wall,step,value']
    .concat(
      Array.from({ length: evaluations }, (_, e) => `${10 * e + m / 100},${500 + 50_000 * e},${valueAt(seed, m, e)}`),
    )
    .join('\n') + '\n';

/** The files of a run folder: six metrics of every seed. */
export const runFiles = (dir: string, seeds: readonly number[], evaluations = 3): Record<string, string> =>
  Object.fromEntries(
    seeds.flatMap((seed) =>
      metrics.map((metric, m) => [`${dir}/seed${seed}/${metric}.csv`, seedCsv(seed, m, evaluations)] as const),
    ),
  );
