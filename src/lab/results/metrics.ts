import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { metricNames } from '../config/schema.js';
import { DataError, messageOf } from '../../errors.js';

/** Columns of metrics.csv, in order. `step` counts optimiser steps, `epoch` samples seen / training samples. */
export const metricsColumns = ['step', 'epoch', 'wall_s', 'train_wall_s', ...metricNames] as const;

export type MetricsColumn = (typeof metricsColumns)[number];

/** One evaluation. Losses are means over samples, accuracies fractions of 1, times seconds since the run began. */
export type MetricsRow = Readonly<Record<MetricsColumn, number>>;

/** The line of one row, newline included. Numbers in JavaScript's shortest exact form; NaN and Infinity as words. */
export function formatRow(row: MetricsRow): string {
  return metricsColumns.map((column) => String(row[column])).join(',') + '\n';
}

export const metricsHeader = metricsColumns.join(',') + '\n';

/** Its name in a run folder. */
export const metricsFile = 'metrics.csv';

/**
 * Rows of a metrics file. Extra columns are ignored, CRLF is accepted; a last line without its newline is a torn write
 * and is dropped.
 *
 * @param where  named in errors
 * @throws DataError  a column is missing, a field is not a number, or steps do not increase
 */
export function parseMetrics(text: string, where: string): MetricsRow[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  let lines: { record: string[]; info: { lines: number } }[];
  try {
    const options = { bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true };
    lines = parse(whole, options) as unknown as typeof lines; // csv-parse types `info: true` as if it changed nothing
  } catch (error) {
    throw new DataError(`${where}: not a CSV file: ${messageOf(error)}`, { cause: error });
  }
  const [header, ...body] = lines;
  if (!header) return [];
  const position = metricsColumns.map((column) => {
    const index = header.record.indexOf(column);
    if (index < 0) throw new DataError(`${where}: column "${column}" is missing`);
    return index;
  });
  let last = -Infinity;
  return body.map(({ record, info }) => {
    const fail = (message: string): never => {
      throw new DataError(`${where}:${info.lines}: ${message}`);
    };
    const values = metricsColumns.map((column, c) => {
      const field = record[position[c] ?? -1] ?? '';
      const value = Number(field);
      if (field === '' || (Number.isNaN(value) && field !== 'NaN')) {
        fail(`${column}: found ${JSON.stringify(field)}, expected a number`);
      }
      return [column, value] as const;
    });
    const row = Object.fromEntries(values) as MetricsRow;
    if (!(row.step > last)) fail(`step: found ${row.step} after ${last}, expected steps that increase`);
    last = row.step;
    return row;
  });
}

/**
 * Rows of the metrics file in a run folder, also while it is being written.
 *
 * @throws DataError  the file is missing or as in `parseMetrics`
 */
export function readMetrics(dir: string): MetricsRow[] {
  const path = join(dir, metricsFile);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(`${path}: ${missing ? 'missing' : `unreadable: ${messageOf(error)}`}`, { cause: error });
  }
  return parseMetrics(text, path);
}
