/** A comparison as CSV: a row a variant and quantity, every number in full precision. */
import { stringify } from 'csv-stringify/sync';
import type { Comparison, VariantComparison } from '../../lab/results/compare.js';
import { hasRuns } from '../../lab/results/compare-notes.js';
import type { MergedValue } from '../../lab/results/merge.js';
import { comparedMetrics, timeNames, type Summary } from '../../lab/results/summary.js';

const sideColumns = ['epoch', 'mean', 'std', 'n', 'diverged'] as const;

/**
 * `at` is `compared` (both sides at one epoch) or `end` (each at its own). Quantities: `final_train_loss`, `best_...`,
 * `step_s`, `epoch_s`, `evaluated_epoch_s`. A field is empty where there is no such number.
 */
export const csvColumns = [
  ...['experiment', 'variant', 'label', 'at', 'quantity'],
  ...['theirs', 'ours'].flatMap((side) => sideColumns.map((name) => `${side}_${name}`)),
  ...['difference', 'two_std', 'verdict'],
];

export function comparisonCsv(comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap(({ experiment, variants }) =>
    variants.filter(hasRuns).flatMap((variant) => rowsOf(experiment, variant)),
  );
  return stringify([csvColumns, ...rows]);
}

type Field = string | number | null;

const timeQuantities = { step: 'step_s', epoch: 'epoch_s', evaluatedEpoch: 'evaluated_epoch_s' } as const;

function rowsOf(experiment: string, { variant, label, theirs, ours, differences }: VariantComparison): Field[][] {
  return (['compared', 'end'] as const).flatMap((at) => {
    const summaries = [theirs?.[at], ours?.[at]];
    const row = (
      quantity: string,
      of: (summary: Summary) => MergedValue,
      verdict: readonly Field[] = [null, null, null],
    ) => [
      ...[experiment, variant, label, at, quantity],
      ...summaries.flatMap((summary) => (summary ? sideFields(summary, of(summary)) : sideColumns.map(() => null))),
      ...verdict,
    ];
    return [
      ...(['final', 'best'] as const).flatMap((kind) =>
        comparedMetrics.map((metric) => {
          const found = at === 'compared' ? differences?.[kind][metric] : undefined;
          const verdict = found && [found.difference, found.margin, found.verdict];
          return row(`${kind}_${metric}`, (summary) => summary[kind][metric], verdict);
        }),
      ),
      ...timeNames.map((name) => row(timeQuantities[name], (summary) => summary.times[name])),
    ];
  });
}

function sideFields({ epoch, diverged }: Summary, { mean, std, n }: MergedValue): Field[] {
  return [epoch, n === 0 ? null : mean, std, n, diverged.length];
}
