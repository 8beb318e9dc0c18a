/** Tables of steps, for the terminal and for docs/performance.md. */
import { doubt } from '../results.js';
import type { Quartiles } from '../statistics.js';
import { textTable } from '../text-table.js';
import { iterationsText } from './agreement.js';
import type { Speeds } from './floor.js';
import {
  type ExperimentResults,
  floorSeconds,
  phasesBeside,
  type ScalingResults,
  type Side,
  type StepRow,
  type Target,
} from './results.js';

interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One line while it runs. */
export function stepLine(row: StepRow): string {
  const reference = row.reference
    ? `, reference ${time(row.reference.seconds.median)}, ratio ${spread(row.ratio)}`
    : '';
  return `${name(row)}: ${time(row.ours.seconds.median)}${reference}`;
}

export function stepTables(results: ExperimentResults): Table[] {
  const { rows } = results;
  const compared = rows.filter(({ reference }) => reference);
  const iterating = rows.filter(({ ours }) => ours.iterations.length > 0);
  const all: Table[] = [
    {
      title: 'Steps of the experiments',
      head: ['step', 'batch', 'ours', 'reference', 'ours / reference', 'targets', 'met'],
      rows: rows.map((row) => [
        name(row),
        String(row.batch),
        timeSpread(row.ours.seconds),
        row.reference ? timeSpread(row.reference.seconds) : '',
        spread(row.ratio),
        row.targets.map(targetText).join(', '),
        row.targets.map(({ met }) => (met ? 'yes' : 'no')).join(', '),
      ]),
    },
    {
      title: 'Where the time goes, beside the least time',
      head: ['step', 'forward', 'backward', 'curvature and CG', 'update', 'sum', 'least', 'share of peak', 'at'],
      rows: rows.map((row) => {
        const beside = phasesBeside(row);
        const cell = (phase: string): string => {
          const found = beside.find((each) => each.phase === phase);
          return found ? `${time(found.seconds)} / ${time(found.floor)}` : '';
        };
        const least = floorSeconds(row);
        const { median } = row.ours.seconds;
        const peak = peakOf(row, results);
        return [
          name(row),
          ...['forward', 'backward', 'curvature', 'update'].map(cell),
          time(median),
          least === null ? '' : `${time(least)} (x ${(median / least).toFixed(1)})`,
          row.floor && peak !== null ? percent(row.floor.flop / median / peak) : '',
          row.speeds ? speedsText(row.speeds) : '',
        ];
      }),
    },
    {
      title: 'Memory',
      head: ['step', 'resident', 'reference resident', 'tensors at a time', 'tensors made'],
      rows: rows.map((row) => [
        name(row),
        megabytes(row.ours.peakBytes),
        row.reference ? megabytes(row.reference.peakBytes) : '',
        megabytes(row.ours.most),
        megabytes(row.ours.allocated),
      ]),
    },
    {
      title: 'Agreement with the reference',
      head: ['step', 'updates differ by', 'of the median parameter', 'loss by', 'iterations'],
      rows: compared.map((row) => {
        const { updateErrors, lossError, sameIterations } = row.agreement!;
        const sorted = [...updateErrors].sort((a, b) => a - b);
        const counted = row.ours.iterations.length > 0;
        return [
          name(row),
          sorted.at(-1)!.toExponential(1),
          sorted[Math.floor(sorted.length / 2)]!.toExponential(1),
          lossError.toExponential(1),
          !counted ? '' : sameIterations ? 'equal' : 'differ',
        ];
      }),
    },
    {
      title: 'CG iterations (weight and bias of every layer in turn; of blocks the least and the most)',
      head: ['step', 'ours', 'reference'],
      rows: iterating.map((row) => [name(row), iterations(row.ours), row.reference ? iterations(row.reference) : '']),
    },
  ];
  return all.filter((table) => table.rows.length > 0);
}

export function scalingTable({ scaling }: ScalingResults): Table {
  return {
    title: 'How the time grows',
    head: ['step', 'axis', 'from', 'to', 'seconds', 'exponent', 'expected'],
    rows: scaling.map(({ what, axis, points, exponent, expected }) => [
      what,
      axis,
      String(points[0]?.x ?? ''),
      String(points.at(-1)?.x ?? ''),
      points.map(({ seconds }) => seconds.toPrecision(2)).join(' '),
      exponent.toFixed(2),
      expected === null ? '' : expected.toFixed(2),
    ]),
  };
}

/** What peak and bandwidth were. */
export function speedsText({ peak, bandwidth }: Speeds): string {
  return `${(peak / 1e9).toFixed(0)} GFLOP/s, ${(bandwidth / 1e9).toFixed(1)} GB/s`;
}

/** Of the measurement that the step was taken in. */
function peakOf({ from, speeds }: StepRow, results: ExperimentResults): number | null {
  if (speeds) return speeds.peak;
  return from ? from.peak : (results.speeds?.peak ?? null);
}

/** For the terminal. */
export function stepReport(results: ExperimentResults): string {
  const tables = stepTables(results).map(asText);
  const reason = doubt(results);
  return [...tables, '', stepTally(results) + (reason === null ? '' : `, but ${reason}`)].join('\n');
}

export function scalingReport(results: ScalingResults): string {
  return asText(scalingTable(results));
}

/** "12 of 14 targets met, 1 step not measured". */
export function stepTally({ rows, failures }: ExperimentResults): string {
  const targets = rows.flatMap((row) => row.targets);
  const missing = failures.length;
  const unmeasured = missing > 0 ? `, ${missing} ${missing === 1 ? 'step' : 'steps'} not measured` : '';
  return `${targets.filter(({ met }) => met).length} of ${targets.length} targets met${unmeasured}`;
}

export function asMarkdown({ title, head, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'));
  return [`### ${title}`, '', line(head), line(rule), ...rows.map(line)].join('\n');
}

function asText({ title, head, rows }: Table): string {
  return `\n${title}\n\n${textTable(head, rows)}`;
}

function name({ variant, state }: StepRow): string {
  return `${variant}, ${state}`;
}

function iterations({ iterations: counts }: Side): string {
  return iterationsText(counts);
}

function targetText({ of, ratio, bound }: Target): string {
  return `${of === 'the reference' ? '' : `${ratio.toFixed(2)} of ${of} `}at most ${Number(bound.toFixed(3))}`;
}

/** Seconds to three digits, in ms below a second. */
function time(seconds: number): string {
  return seconds < 1 ? `${digits(1000 * seconds)} ms` : `${digits(seconds)} s`;
}

function timeSpread({ median, low, high }: Quartiles): string {
  const factor = median < 1 ? 1000 : 1;
  return `${digits(factor * median)} (${digits(factor * low)}-${digits(factor * high)}) ${factor === 1 ? 's' : 'ms'}`;
}

function spread(ratio: Quartiles | null): string {
  if (!ratio) return '';
  const [median, low, high] = [ratio.median, ratio.low, ratio.high].map((x) => x.toFixed(x < 0.1 ? 3 : 2));
  return `${median} (${low}-${high})`;
}

function digits(x: number): string {
  return x >= 100 ? x.toFixed(0) : x.toPrecision(3);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
