/** From the runs of the planned variants to what a figure shows and says. */
import type { DatasetName } from '../config/schema.js';
import type { VariantRuns } from '../results/merge.js';
import { distinct, ranges, remarksOf, together } from '../results/remarks.js';
import type { RunSource } from '../results/source.js';
import { extent } from './axes.js';
import type { FigurePlan, PlannedLine } from './plan.js';
import type { Curve, FigureData, Series, SeriesPoint } from './spec.js';
import { lineStyles } from './style.js';
import { metricTitles, xTitles } from './titles.js';

export interface FigureContent {
  /** Null where no line has a value. */
  readonly data: FigureData | null;
  /** `label (experiment/variant)` of every planned line without a single value. */
  readonly missing: readonly string[];
  /** Seeds that ended early, differ from the others or lack, one remark each. */
  readonly notes: readonly string[];
}

/** Whose runs a figure draws, and whose lie pale behind them. */
export interface FigureSources {
  readonly source: RunSource;
  readonly behind?: RunSource | undefined;
}

const datasetTitles: Readonly<Record<DatasetName, string>> = {
  cifar10: 'CIFAR-10',
  mnist: 'MNIST',
  'synthetic-cifar10': 'synthetic CIFAR-10 (generated pictures)',
};
/** More would crowd out the curves; the command prints all of them. */
const maxCaptionNotes = 3;

/** A planned line and what a source has of it. */
interface Found {
  readonly line: PlannedLine;
  readonly label: string;
  readonly runs: VariantRuns;
  /** Empty where there is no value at all. */
  readonly curves: readonly Curve[];
}

export function figureContent(plan: FigurePlan, { source, behind }: FigureSources): FigureContent {
  const styles = lineStyles(plan.lines.map(({ variant }) => ({ kind: variant.optimizer.kind, color: variant.color })));
  const own = find(plan, source);
  const others = behind ? find(plan, behind) : [];
  const drawn = own.filter(hasValue);
  const pale = others.filter(hasValue);
  const missing = own.filter((found) => !hasValue(found)).map(({ line }) => lineName(line));
  const notes = [...notesOf(own), ...notesOf(others).map((note) => `${behind?.name}: ${note}`)];
  if (drawn.length + pale.length === 0) return { missing, notes, data: null };
  const series = own.flatMap(({ label, curves }, i): Series[] => {
    const behindIt = others[i]?.curves ?? [];
    if (curves.length + behindIt.length === 0) return [];
    const style = styles[i] ?? { color: '#000000', dash: [] };
    return [{ label, style, curves, ...(behindIt.length > 0 && { behind: behindIt }) }];
  });
  const limit = plan.metric.endsWith('loss') ? yLimit(series) : undefined;
  return {
    missing,
    notes,
    data: {
      title: plan.title,
      subtitle: [
        ...provenance([...drawn, ...pale], plan),
        ...(behind ? [`strong: ${source.name}`, `pale: ${behind.name}`] : [source.name]),
      ],
      xTitle: xTitles[plan.x],
      yTitle: metricTitles[plan.metric],
      yKind: plan.metric.endsWith('accuracy') ? 'fraction' : 'plain',
      lines: plan.drawnAs,
      ...xLimit(plan, series, source.published ?? false),
      ...(limit && { yMax: limit.yMax }),
      series,
      caption: [
        ...(limit ? [`Beyond the axis: ${limit.beyond.join('; ')}.`] : []),
        ...(missing.length > 0 ? [`Missing, no data: ${missing.join('; ')}.`] : []),
        ...notes.slice(0, maxCaptionNotes),
        ...(notes.length > maxCaptionNotes
          ? [`... and ${plural([notes.length - maxCaptionNotes], 'more remark')}.`]
          : []),
      ],
    },
  };
}

function find(plan: FigurePlan, source: RunSource): Found[] {
  return plan.lines.map((line) => {
    const runs = source.read(line.experiment, line.variant);
    const curves = plan.drawnAs === 'seeds' ? seedCurves(runs, plan) : [meanCurve(runs, plan)];
    return { line, label: uniqueLabel(line, plan.lines), runs, curves: curves.filter(isVisible) };
  });
}

function hasValue({ curves }: Found): boolean {
  return curves.length > 0;
}

function isVisible(curve: Curve): boolean {
  return curve.some(({ mean }) => Number.isFinite(mean));
}

/** A point without a place on the axis is not drawn: merged files know no wall clock. */
function isPlaced({ x }: SeriesPoint): boolean {
  return Number.isFinite(x);
}

function meanCurve({ merged }: VariantRuns, { metric, x }: FigurePlan): Curve {
  return merged.steps
    .map((step) => {
      const { mean, std } = step.values[metric];
      return { x: x === 'wall' ? step.wall_s : step.epoch, mean, std };
    })
    .filter(isPlaced);
}

function seedCurves({ runs }: VariantRuns, { metric, x }: FigurePlan): Curve[] {
  return runs.map(({ rows }) =>
    rows.map((row) => ({ x: x === 'wall' ? row.wall_s : row.epoch, mean: row[metric], std: null })).filter(isPlaced),
  );
}

/**
 * Where a wall-clock axis ends: one slow variant must not press all others against the left edge, so where the last but
 * one of them ends.
 */
function xLimit({ x, publishedXMax }: FigurePlan, series: readonly Series[], published: boolean): { xMax?: number } {
  if (published && publishedXMax !== undefined) return { xMax: publishedXMax };
  if (x === 'epoch') return {};
  const ends = series
    .map(({ curves, behind = [] }) => extent([...curves, ...behind].flat().map((point) => point.x))[1])
    .sort((a, b) => b - a);
  const end = ends[1] ?? ends[0];
  return end === undefined || end <= 0 ? {} : { xMax: end };
}

/** A loss this many times as high as losses begin has exploded. */
const exploded = 4;

/**
 * Where a loss axis ends if lines explode: an exploded line must not press all others against the bottom, so it leaves
 * the plot where the others need no more room, and half as high again as losses begin. Says which lines, and how far.
 */
function yLimit(series: readonly Series[]): { yMax: number; beyond: string[] } | undefined {
  const lines = series.map(({ label, curves, behind = [] }) => {
    const points = [...curves, ...behind].flat().filter(({ mean }) => Number.isFinite(mean));
    const highest = (values: readonly number[]): number => extent(values.filter(Number.isFinite))[1];
    return {
      label,
      first: points[0]?.mean ?? 0,
      mean: highest(points.map(({ mean }) => mean)),
      band: highest(points.map(({ mean, std }) => mean + (std ?? 0))),
    };
  });
  const firsts = lines.map(({ first }) => first).sort((a, b) => a - b);
  const begin = firsts[Math.floor((firsts.length - 1) / 2)] ?? 0;
  const calm = lines.filter(({ band }) => band <= exploded * begin);
  if (begin <= 0 || calm.length === lines.length) return undefined;
  const yMax = Math.max(1.5 * begin, ...calm.map(({ band }) => band));
  return {
    yMax,
    beyond: lines
      .filter((line) => !calm.includes(line))
      .map(({ label, mean }) => `${label}, mean up to ${Number(mean.toPrecision(3)).toLocaleString('en-US')}`),
  };
}

function lineName({ experiment, variant }: PlannedLine): string {
  return `${variant.label} (${experiment}/${variant.name})`;
}

function uniqueLabel(line: PlannedLine, all: readonly PlannedLine[]): string {
  const alike = all.filter(({ variant }) => variant.label === line.variant.label);
  return alike.length > 1 ? lineName(line) : line.variant.label;
}

/** Dataset, seeds and epochs of the runs drawn. */
function provenance(drawn: readonly Found[], { drawnAs }: FigurePlan): string[] {
  const trainings = drawn.flatMap(({ runs }) => runs.training ?? []);
  const samples = trainings.flatMap(({ trainSamples }) => trainSamples ?? []);
  const epochs = trainings.map((training) => training.epochs);
  return [
    distinct(trainings.map(({ dataset }) => datasetTitles[dataset])).join(' and '),
    ...(samples.length > 0 ? [plural(samples, 'training sample')] : []),
    seedsText(
      drawn.map(({ runs }) => runs.merged.seeds),
      drawnAs,
    ),
    ...(epochs.length > 0 ? [plural(epochs, 'epoch')] : []),
  ].filter((part) => part !== '');
}

function seedsText(seeds: readonly (readonly number[])[], drawnAs: FigurePlan['drawnAs']): string {
  const counts = seeds.map((list) => list.length);
  const [first = []] = seeds;
  const same = distinct(seeds.map(String)).length === 1;
  if (same && first.length === 1) return `seed ${first[0]}`;
  const what = drawnAs === 'seeds' ? 'one line a seed,' : 'mean ± std over';
  return `${what} ${plural(counts, 'seed')}${same ? ` (${ranges(first)})` : ''}`;
}

/** What a reader should know of the runs: which seeds a line lacks, and what became of them. */
function notesOf(found: readonly Found[]): string[] {
  const drawn = found.filter(hasValue);
  const all = distinct(drawn.flatMap(({ runs }) => runs.merged.seeds)).sort((a, b) => a - b);
  const lacking = drawn
    .filter(({ runs }) => runs.merged.seeds.length < all.length)
    .map(({ label, runs }) => ({ label, remark: `of the seeds ${ranges(all)} only ${ranges(runs.merged.seeds)}` }));
  const others = found.flatMap(({ label, runs }) => remarksOf(runs).map((remark) => ({ label, remark })));
  return together([...lacking, ...others], drawn.length, 'all lines');
}

/** `10 seeds`, `1 seed`, `3 to 10 seeds`. */
function plural(counts: readonly number[], noun: string): string {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  const format = (count: number): string => count.toLocaleString('en-US');
  return `${low === high ? '' : `${format(low)} to `}${format(high)} ${noun}${high === 1 ? '' : 's'}`;
}
