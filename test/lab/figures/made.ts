/** Runs of the paper's experiments with made-up metrics: what figures look like with all of their lines and seeds. */
import { join } from 'node:path';
import { loadAllExperiments } from '../../../src/lab/config/load.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import type { Experiment } from '../../../src/lab/config/schema.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { mergeSeeds, type SeedRows } from '../../../src/lab/results/merge.js';
import { readingOnce, type RunSource } from '../../../src/lab/results/source.js';

/** The experiment files that ship. */
export const paper: readonly Experiment[] = loadAllExperiments(join(import.meta.dirname, '../../../experiments'));

export interface Making {
  readonly seeds: readonly number[];
  readonly epochs: number;
  readonly evaluationsPerEpoch: number;
  /** Changes a row; null ends the run there. */
  readonly change?: (row: MetricsRow, of: { readonly variant: string; readonly seed: number }) => MetricsRow | null;
  readonly name?: string;
}

/** A source that has every variant of the paper's experiments, later ones steeper and slower. */
export function madeSource({ seeds, epochs, evaluationsPerEpoch, change, name = 'made runs' }: Making): RunSource {
  return readingOnce({ name, from: 'nowhere' }, (experimentName, { name: variant }) => {
    const experiment = paper.find((each) => each.name === experimentName);
    const rank = Object.keys(experiment?.variants ?? {}).indexOf(variant);
    if (!experiment || rank < 0) throw new Error(`${experimentName}/${variant} is not of the paper`);
    const runs = seeds.map((seed): SeedRows => {
      const rows: MetricsRow[] = [];
      for (let i = 0; i <= epochs * evaluationsPerEpoch; i++) {
        const made = row(i / evaluationsPerEpoch, i, rank, seed);
        const changed = change ? change(made, { variant, seed }) : made;
        if (changed === null) break;
        rows.push(changed);
      }
      return { seed, rows };
    });
    const [training = null] = expandExperiment(experiment, { variants: [variant], seeds, epochs });
    return {
      training,
      runs,
      merged: mergeSeeds(runs),
      missingSeeds: [],
      unfinished: [],
      mixedSpecs: [],
      remarks: [],
    };
  });
}

function row(epoch: number, step: number, rank: number, seed: number): MetricsRow {
  // Sines of unequal periods: seeds differ and wobble, every time alike.
  const wobble = 0.04 * Math.sin(1.7 * epoch + 2.1 * seed + rank) + 0.03 * Math.sin(0.31 * epoch * (seed + 1));
  const progress = 1 - Math.exp(-0.05 * (rank + 0.4) * epoch);
  const loss = 2.303 - 1.5 * progress + wobble * progress;
  const accuracy = 0.1 + 0.55 * progress - 0.3 * wobble * progress;
  const wall_s = epoch * (6 + 14 * rank) + 0.4 * seed * epoch;
  return {
    step,
    epoch,
    wall_s,
    train_wall_s: 0.9 * wall_s,
    batch_loss: loss + 0.1 * wobble,
    batch_accuracy: accuracy,
    train_loss: loss,
    train_accuracy: accuracy + 0.02 * progress,
    test_loss: loss + 0.05 * progress,
    test_accuracy: accuracy,
  };
}
