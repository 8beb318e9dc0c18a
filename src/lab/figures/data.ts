/** From the runs of the planned variants to what a figure shows and says. */
import type { DatasetName, Metric } from '../config/schema.js';
import type { MergedStep, VariantRuns } from '../results/merge.js';
import type { FigurePlan, PlannedLine } from './plan.js';
import type { FigureData, Series } from './spec.js';
import { lineStyles } from './style.js';

/** The runs of a variant, wherever they come from. */
export type RunsOf = (line: PlannedLine) => VariantRuns;

export interface FigureContent {
  /** Null where no line has a value. */
  readonly data: FigureData | null;
  /** `label (experiment/variant)` of every planned line without a single value. */
  readonly missing: readonly string[];
  /** Seeds that ended early, differ from the others or lack, one remark each. */
  readonly notes: readonly string[];
}

const metricTitles: Readonly<Record<Metric, string>> = {
  batch_loss: 'Batch loss [nats]',
  batch_accuracy: 'Batch accuracy',
  train_loss: 'Train loss [nats]',
  train_accuracy: 'Train accuracy',
  test_loss: 'Test loss [nats]',
  test_accuracy: 'Test accuracy',
};
const xTitles = { epoch: 'Epoch', wall: 'Wall clock [s]' } as const;
const datasetTitles: Readonly<Record<DatasetName, string>> = {
  cifar10: 'CIFAR-10',
  mnist: 'MNIST',
  'synthetic-cifar10': 'synthetic CIFAR-10 (generated pictures)',
};
/** More would crowd out the curves; the command prints all of them. */
const maxCaptionNotes = 3;

/**
 * @param origin  whose runs were drawn: `recorded runs`, say
 */
export function figureContent(plan: FigurePlan, runsOf: RunsOf, origin: string): FigureContent {
  const styles = lineStyles(plan.lines.map(({ variant }) => ({ kind: variant.optimizer.kind, color: variant.color })));
  const lines = plan.lines.map((line, i) => {
    const runs = runsOf(line);
    const series: Series = {
      label: uniqueLabel(line, plan.lines),
      style: styles[i] ?? { color: '#000000', dash: [] },
      points: runs.merged.steps.map((step) => pointOf(step, plan)),
    };
    return { line, runs, series, hasValue: series.points.some(({ mean }) => Number.isFinite(mean)) };
  });
  const drawn = lines.filter(({ hasValue }) => hasValue);
  const missing = lines.filter(({ hasValue }) => !hasValue).map(({ line }) => lineName(line));
  const notes = [
    ...unevenSeeds(drawn),
    ...lines.flatMap(({ series, runs }) => remarks(runs).map((remark) => `${series.label}: ${remark}`)),
  ];
  if (drawn.length === 0) return { missing, notes, data: null };
  return {
    missing,
    notes,
    data: {
      title: plan.title,
      subtitle: [...provenance(drawn.map(({ runs }) => runs)), origin],
      xTitle: xTitles[plan.x],
      yTitle: metricTitles[plan.metric],
      yKind: plan.metric.endsWith('accuracy') ? 'fraction' : 'plain',
      series: drawn.map(({ series }) => series),
      caption: [
        ...(missing.length > 0 ? [`Missing, no data: ${missing.join('; ')}.`] : []),
        ...notes.slice(0, maxCaptionNotes),
        ...(notes.length > maxCaptionNotes
          ? [`... and ${plural([notes.length - maxCaptionNotes], 'more remark')}.`]
          : []),
      ],
    },
  };
}

function pointOf(step: MergedStep, { metric, x }: FigurePlan): Series['points'][number] {
  const { mean, std } = step.values[metric];
  return { x: x === 'wall' ? step.wall_s : step.epoch, mean, std };
}

function lineName({ experiment, variant }: PlannedLine): string {
  return `${variant.label} (${experiment}/${variant.name})`;
}

function uniqueLabel(line: PlannedLine, all: readonly PlannedLine[]): string {
  const alike = all.filter(({ variant }) => variant.label === line.variant.label);
  return alike.length > 1 ? lineName(line) : line.variant.label;
}

/** Dataset, seeds and epochs of the runs drawn. */
function provenance(runs: readonly VariantRuns[]): string[] {
  const specs = runs.flatMap(({ record }) => (record ? [record.spec] : []));
  const samples = specs.flatMap(({ trainSamples }) => trainSamples ?? []);
  return [
    distinct(specs.map(({ dataset }) => datasetTitles[dataset])).join(' and '),
    ...(samples.length > 0 ? [plural(samples, 'training sample')] : []),
    seedsText(runs.map(({ merged }) => merged.seeds)),
    plural(
      specs.map(({ epochs }) => epochs),
      'epoch',
    ),
  ];
}

function seedsText(seeds: readonly (readonly number[])[]): string {
  const counts = seeds.map((list) => list.length);
  const [first = []] = seeds;
  const same = distinct(seeds.map(String)).length === 1;
  if (same && first.length === 1) return `seed ${first[0]}`;
  return `mean ± std over ${plural(counts, 'seed')}${same ? ` (${ranges(first)})` : ''}`;
}

/** Where the lines do not have the same seeds: which has which. */
function unevenSeeds(drawn: readonly { readonly series: Series; readonly runs: VariantRuns }[]): string[] {
  const all = distinct(drawn.flatMap(({ runs }) => runs.merged.seeds)).sort((a, b) => a - b);
  return drawn
    .filter(({ runs }) => runs.merged.seeds.length < all.length)
    .map(({ series, runs }) => `${series.label}: of the seeds ${ranges(all)} only ${ranges(runs.merged.seeds)}`);
}

function remarks({ merged, unfinished, mixedSpecs }: VariantRuns): string[] {
  const told = new Set(unfinished.map(({ seed }) => seed));
  return [
    ...unfinished.map(({ seed, state, reason }) => `seed ${seed} ${state}${reason === null ? '' : `: ${reason}`}`),
    ...merged.endedEarly
      .filter(({ seed }) => !told.has(seed))
      .map(({ seed, lastStep }) => `seed ${seed} ends at step ${lastStep}`),
    ...mixedSpecs.map(({ seed, differences }) => `seed ${seed} left out, it ran with ${differences.join(', ')}`),
  ];
}

/** `10 seeds`, `1 seed`, `3 to 10 seeds`. */
function plural(counts: readonly number[], noun: string): string {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  const format = (count: number): string => count.toLocaleString('en-US');
  return `${low === high ? '' : `${format(low)} to `}${format(high)} ${noun}${high === 1 ? '' : 's'}`;
}

/** Ascending seeds as `0–2, 7`. */
function ranges(seeds: readonly number[]): string {
  const runs = seeds.reduce<[number, number][]>((made, seed) => {
    const last = made.at(-1);
    if (last?.[1] !== seed - 1) return [...made, [seed, seed]];
    return [...made.slice(0, -1), [last[0], seed]];
  }, []);
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
