/** A comparison as tables of words: what the terminal and Markdown have in common. */
import type { Comparison, Difference, Machine, Side, VariantComparison, Verdict } from '../../lab/results/compare.js';
import { goesOn } from '../../lab/results/compare.js';
import { hasRuns } from '../../lab/results/compare-notes.js';
import type { MergedValue } from '../../lab/results/merge.js';
import { rounded } from '../../lab/results/remarks.js';
import { timeNames, type ComparedMetric, type Summary, type TimeName } from '../../lab/results/summary.js';

export interface Column {
  /** What it shares with its neighbours: `train loss` of `theirs` and `ours`. */
  readonly group?: string;
  readonly name: string;
}

export interface WordTable {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

const none = '-';
const metricTitles: Readonly<Record<ComparedMetric, string>> = {
  train_loss: 'train loss',
  test_accuracy: 'test acc. %',
};
const timeTitles: Readonly<Record<TimeName, string>> = {
  step: 's/step',
  epoch: 's/epoch',
  evaluatedEpoch: 'with evaluation',
};
const marks: Readonly<Record<Verdict, string>> = {
  within: '✓',
  beyond: '✗',
  undecided: '?',
  diverged: 'diverged',
  missing: none,
};

/** What is compared and what the marks mean, a line each; for the foot of all tables. */
export const criterion = [
  'n: seeds of theirs/ours; ±: sample standard deviation over them; diff.: of the means, ours - theirs;',
  '✓ at most two standard deviations of that difference, 2 √(s²/n of ours + s²/n of theirs); ✗ more;',
  '? one seed on a side: its spread is not known, nothing is decided. With two or three seeds a side',
  'the standard deviations are rough themselves: read the marks as an indication.',
];

/** The tables of an experiment; of one side alone where the other has no runs. */
export function tablesOf(comparison: Comparison): WordTable[] {
  const at = comparison.epoch === null ? undefined : `At epoch ${comparison.epoch}`;
  const variants = comparison.variants.filter(hasRuns);
  const tables =
    comparison.theirs && comparison.ours
      ? [
          comparedTable(at ?? 'At the end, or at the last epoch that all seeds of both reached', variants, 'final'),
          comparedTable('Best evaluation until then', variants, 'best'),
          ownEndsTable(variants),
          timesTable(variants, ['theirs', 'ours']),
        ]
      : [aloneTable(at ?? 'At the end', variants), timesTable(variants, [comparison.theirs ? 'theirs' : 'ours'])];
  return tables.filter(({ rows }) => rows.length > 0).map(withoutEmptyColumns);
}

function comparedTable(title: string, variants: readonly VariantComparison[], kind: 'final' | 'best'): WordTable {
  const triple = (group: string): Column[] => ['theirs', 'ours', 'diff.'].map((name) => ({ group, name }));
  return {
    title,
    columns: [
      ...['variant', 'epoch', 'n'].map((name) => ({ name })),
      ...triple(metricTitles.train_loss),
      ...triple(metricTitles.test_accuracy),
    ],
    rows: variants.map(({ label, theirs, ours, differences }) => [
      label,
      // Each at its own end where there is no common epoch.
      joined([theirs, ours].flatMap((side) => (side ? [rounded(side.compared.epoch)] : []))),
      [theirs, ours].map((side) => (side ? seedCount(side.compared) : none)).join('/'),
      ...(['train_loss', 'test_accuracy'] as const).flatMap((metric) => [
        valueOf(theirs, kind, metric),
        valueOf(ours, kind, metric),
        differences ? differenceText(differences[kind][metric], metric) : none,
      ]),
    ]),
  };
}

/** Of sides that go on after the epoch of the comparison. */
function ownEndsTable(variants: readonly VariantComparison[]): WordTable {
  return {
    title: 'Longer runs at their own end',
    columns: [{ name: 'variant' }, { name: 'whose' }, ...endColumns],
    rows: variants.flatMap(({ label, theirs, ours }) =>
      Object.entries({ theirs, ours }).flatMap(([whose, side]) =>
        side && goesOn(side) ? [[label, whose, ...endCells(side.end)]] : [],
      ),
    ),
  };
}

function aloneTable(title: string, variants: readonly VariantComparison[]): WordTable {
  return {
    title,
    columns: [{ name: 'variant' }, ...endColumns],
    rows: variants.map(({ label, theirs, ours }) => {
      const side = theirs ?? ours;
      return [label, ...(side ? endCells(side.compared) : [])];
    }),
  };
}

const endColumns: readonly Column[] = [
  { name: 'epoch' },
  { name: 'n' },
  ...Object.values(metricTitles).flatMap((group) => ['final', 'best'].map((name) => ({ group, name }))),
];

function endCells(summary: Summary): string[] {
  return [
    rounded(summary.epoch),
    seedCount(summary),
    ...(['train_loss', 'test_accuracy'] as const).flatMap((metric) =>
      (['final', 'best'] as const).map((kind) => summaryText(summary, kind, metric)),
    ),
  ];
}

function timesTable(variants: readonly VariantComparison[], sides: readonly ('theirs' | 'ours')[]): WordTable {
  return {
    title: sides.length > 1 ? 'Time of training until then' : 'Time of training',
    columns: [
      { name: 'variant' },
      ...timeNames.flatMap((name) =>
        sides.length > 1
          ? sides.map((side) => ({ group: timeTitles[name], name: side }))
          : [{ name: timeTitles[name] }],
      ),
    ],
    rows: variants.map((variant) => [
      variant.label,
      ...timeNames.flatMap((name) => sides.map((side) => secondsText(variant[side]?.compared.times[name]))),
    ]),
  };
}

function valueOf(side: Side | null, kind: 'final' | 'best', metric: ComparedMetric): string {
  return side ? summaryText(side.compared, kind, metric) : none;
}

function summaryText(summary: Summary, kind: 'final' | 'best', metric: ComparedMetric): string {
  const value = summary[kind][metric];
  if (value.n === 0) return summary.diverged.length > 0 && summary.seeds.length === 0 ? 'diverged' : none;
  const std = value.std === null ? '' : `±${numberText(value.std, metric)}`;
  return `${numberText(value.mean, metric)}${std}`;
}

function differenceText({ difference, verdict }: Difference, metric: ComparedMetric): string {
  if (difference === null) return marks[verdict];
  const digits = numberText(difference, metric, 2).replace(/^-(?=[0.]*$)/, '');
  return `${difference > 0 ? '+' : ''}${digits} ${marks[verdict]}`;
}

/** Losses with four decimals, accuracies in percent. */
function numberText(value: number, metric: ComparedMetric, percentDecimals = 1): string {
  return metric === 'test_accuracy' ? (100 * value).toFixed(percentDecimals) : value.toFixed(4);
}

function secondsText(value: MergedValue | undefined): string {
  if (!value || value.n === 0) return none;
  return value.mean >= 100 ? value.mean.toFixed(0) : value.mean.toPrecision(3);
}

/** `10`, and `8+2 lost` where two diverged. */
function seedCount({ seeds, diverged }: Summary): string {
  return diverged.length > 0 && seeds.length > 0
    ? `${seeds.length}+${diverged.length} lost`
    : `${seeds.length + diverged.length}`;
}

function joined(values: readonly string[]): string {
  return [...new Set(values)].join(' / ');
}

/** An archive knows no training times, say. */
function withoutEmptyColumns({ title, columns, rows }: WordTable): WordTable {
  const kept = columns.map((_, c) => c === 0 || rows.some((row) => (row[c] ?? none) !== none));
  const keep = <T>(values: readonly T[]): T[] => values.filter((_, c) => kept[c]);
  return { title, columns: keep(columns), rows: rows.map(keep) };
}

/** `webgpu on NVIDIA H100 (Intel Xeon, 1 thread)`. */
export function machineText({ backend, backendVersion, threads, cpu, gpu }: Machine): string {
  const software = backendVersion === undefined ? backend : `${backend} ${backendVersion}`;
  const count = `${threads} thread${threads > 1 ? 's' : ''}`;
  return gpu === null ? `${software} on ${cpu}, ${count}` : `${software} on ${gpu} (${cpu}, ${count})`;
}
