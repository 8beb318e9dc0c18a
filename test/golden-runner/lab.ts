import { parse } from 'csv-parse/sync';
import { joinParameters } from '../../src/lab/config/grid.js';
import { mergeSeeds } from '../../src/lab/results/merge.js';
import { someRow } from '../lab/results/support.js';
import type { Golden } from '../support/golden.js';
import type { Comparison } from './comparison.js';

interface MergeExpected {
  error: { type: string; message: string } | null;
  columns?: string[];
  column_order_matters?: boolean;
  rows?: number;
  values?: Record<string, (number | null)[]> & { step: number[]; mean: number[]; std: (number | null)[] };
  merged_csv?: string;
}

/**
 * Merging of seeds. Ours keeps the steps that only some seeds have and values that are missing, with their count, where
 * the reference drops the former silently and refuses the latter (README, section 6); at the steps of the file the numbers
 * are the same.
 */
export async function runMerge(
  { given, expected }: Golden<{ files: Record<string, string> }, MergeExpected>,
  comparison: Comparison,
): Promise<void> {
  comparison.onlyKeys('expected', expected, [
    'error',
    'columns',
    'column_order_matters',
    'rows',
    'values',
    'merged_csv',
  ]);
  const seeds = Object.entries(given.files).map(([label, text]) => ({ label, rows: rowsOf(text) }));
  const merged = mergeSeeds(
    seeds.map(({ rows }, seed) => ({
      seed,
      rows: rows.map(({ step, value }) => someRow(step, { train_loss: value })),
    })),
  );
  const at = new Map(merged.steps.map(({ step, values }) => [step, values.train_loss]));
  const valueOf = (rows: Row[], step: number): number => rows.find((row) => row.step === step)?.value ?? NaN;
  for (const [step, { n }] of at) {
    const finite = seeds.filter(({ rows }) => Number.isFinite(valueOf(rows, step))).length;
    comparison.equal(`seeds at step ${step}`, n, finite);
  }
  if (expected.error) {
    comparison.equal(
      'a value is missing',
      [...at.values()].some(({ n }) => n < seeds.length),
      true,
    );
    comparison.notes.push(`the reference refuses (${expected.error.message}), here the value is left out and counted`);
    return;
  }
  const { step: steps, mean, std } = expected.values!;
  comparison.equal('rows', steps.length, expected.rows);
  const missing = steps.filter((step) => !at.has(step));
  comparison.equal('steps without a row', missing, []);
  for (const [i, step] of steps.entries()) {
    const got = at.get(step);
    await comparison.close(`mean at step ${step}`, got?.mean ?? NaN, mean[i]!);
    const deviation = std[i] ?? null;
    if (deviation === null) comparison.equal(`std at step ${step}`, got?.std, null);
    else await comparison.close(`std at step ${step}`, got?.std ?? NaN, deviation);
    for (const { label, rows } of seeds) {
      await comparison.close(`${label} at step ${step}`, valueOf(rows, step), expected.values![label]![i]!);
    }
  }
  const further = merged.steps.length - steps.length;
  if (further > 0) comparison.notes.push(`${further} steps that only some seeds have are kept here`);
}

interface Row {
  readonly step: number;
  readonly value: number;
}

function rowsOf(text: string): Row[] {
  return parse<Record<string, string>>(text, { columns: true }).map(({ step, value }) => ({
    step: Number(step),
    value: value === '' ? NaN : Number(value),
  }));
}

/** Names of run folders from parameters, each given by key and printed value. */
export function runDirname(
  { given, expected }: Golden<{ examples: { key: string; text: string }[][] }, { names: string[] }>,
  comparison: Comparison,
): void {
  comparison.onlyKeys('expected', expected, ['names']);
  comparison.equal('number of examples', given.examples.length, expected.names.length);
  given.examples.forEach((pairs, i) => {
    const name = joinParameters(Object.fromEntries(pairs.map(({ key, text }) => [key, text])));
    comparison.equal(`name ${i}`, name, expected.names[i]);
  });
}
