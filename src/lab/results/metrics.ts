import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { metricNames } from '../config/schema.js';
import { DataError, messageOf, printable } from '../../errors.js';
import { readText } from './read-text.js';

/** `step` counts optimiser steps, `epoch` samples seen / training samples. */
export const timeColumns = ['step', 'epoch', 'wall_s', 'train_wall_s'] as const;

/** Columns of metrics.csv, in order. */
export const metricsColumns = [...timeColumns, ...metricNames] as const;

export type MetricsColumn = (typeof metricsColumns)[number];

const stepColumn = metricsColumns.indexOf('step');

/** One evaluation. Losses are means over samples, accuracies fractions of 1, times seconds since the run began. */
export type MetricsRow = Readonly<Record<MetricsColumn, number>>;

/** The line of one row, newline included. Numbers in JavaScript's shortest exact form; NaN and Infinity as words. */
export function formatRow(row: MetricsRow): string {
  return metricsColumns.map((column) => String(row[column])).join(',') + '\n';
}

export const metricsHeader = metricsColumns.join(',') + '\n';

/** Its name in a run folder. */
export const metricsFile = 'metrics.csv';

/** The rows of a run as plain numbers, a tenth of the memory that rows take: those are made when they are looked at. */
export class MetricsTable {
  /** @param values  row by row, in the order of `metricsColumns` */
  constructor(readonly values: Float64Array) {}

  static of(rows: readonly MetricsRow[]): MetricsTable {
    return new MetricsTable(Float64Array.from(rows.flatMap((row) => metricsColumns.map((column) => row[column]))));
  }

  rows(): MetricsRow[] {
    const width = metricsColumns.length;
    return Array.from({ length: this.values.length / width }, (_, i) => {
      const at = i * width;
      const row = {} as Record<MetricsColumn, number>;
      for (let c = 0; c < width; c++) row[metricsColumns[c]!] = this.values[at + c]!;
      return row;
    });
  }
}

/**
 * Rows of a metrics file. Extra columns are ignored, CRLF is accepted; a last line without its newline is a torn write
 * and is dropped.
 *
 * @param where  named in errors
 * @throws DataError  a column is missing, a field is not a number, or steps do not increase
 */
export function parseMetrics(text: string, where: string): MetricsRow[] {
  return parseTable(text, where).rows();
}

function parseTable(text: string, where: string, columns: readonly MetricsColumn[] = metricsColumns): MetricsTable {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return parsePlain(whole, columns) ?? parseAny(whole, where);
}

/**
 * What hbp itself writes, twenty times as fast as any CSV file; undefined for anything else, also for what is wrong: to
 * say what that is the other way is there. Of columns that are not wanted it makes NaN.
 */
function parsePlain(text: string, columns: readonly MetricsColumn[]): MetricsTable | undefined {
  if (!text.startsWith(metricsHeader)) return undefined;
  const wanted = metricsColumns.map((column) => columns.includes(column));
  const width = metricsColumns.length;
  const values = new Float64Array((countLines(text) - 1) * width);
  let before = -Infinity;
  for (let at = metricsHeader.length, row = 0; at < text.length; row += width) {
    const lineEnd = text.indexOf('\n', at);
    for (let column = 0; column < width; column++) {
      const end = column < width - 1 ? text.indexOf(',', at) : lineEnd;
      if (end < 0 || end > lineEnd) return undefined;
      if (text.charCodeAt(at) <= 32 || text.charCodeAt(end - 1) <= 32) return undefined;
      let value = NaN;
      if (wanted[column]) {
        value = shortDecimal(text, at, end);
        if (Number.isNaN(value)) {
          const field = text.slice(at, end);
          value = Number(field); // not a number, too, where a field too many is in it
          if (field === '' || (Number.isNaN(value) && field !== 'NaN')) return undefined;
        }
      }
      values[row + column] = value;
      at = end + 1;
    }
    const step = values[row + stepColumn]!;
    if (!(step > before)) return undefined;
    before = step;
  }
  return new MetricsTable(values);
}

const powersOfTen = Array.from({ length: 16 }, (_, i) => 10 ** i);

/**
 * A number of up to fifteen digits, such as steps and epochs are, in a tenth of the time of `Number`, and the same: digits
 * and power of ten are exact, and division rounds to the nearest. NaN for any other text.
 */
function shortDecimal(text: string, from: number, to: number): number {
  if (to - from > 15) return NaN;
  let digits = 0;
  let point = to;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code === 46 && point === to) point = i;
    else if (code >= 48 && code <= 57) digits = 10 * digits + (code - 48);
    else return NaN;
  }
  const decimals = Math.max(0, to - point - 1);
  return to - from > (point < to ? 1 : 0) ? digits / powersOfTen[decimals]! : NaN;
}

function countLines(text: string): number {
  let lines = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines++;
  return lines;
}

function parseAny(whole: string, where: string): MetricsTable {
  let lines: { record: string[]; info: { lines: number } }[];
  try {
    const options = { bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true };
    lines = parse(whole, options) as unknown as typeof lines; // csv-parse types `info: true` as if it changed nothing
  } catch (error) {
    throw new DataError(`${where}: not a CSV file: ${messageOf(error)}`, { cause: error });
  }
  const [header, ...body] = lines;
  if (!header) return new MetricsTable(new Float64Array());
  const position = metricsColumns.map((column) => {
    const index = header.record.indexOf(column);
    if (index < 0) throw new DataError(`${where}: column "${column}" is missing`);
    return index;
  });
  const table = new Float64Array(body.length * metricsColumns.length);
  let last = -Infinity;
  body.forEach(({ record, info }, i) => {
    const fail = (message: string): never => {
      throw new DataError(`${where}:${info.lines}: ${printable(message)}`);
    };
    const values = metricsColumns.map((column, c) => {
      const field = record[position[c] ?? -1] ?? '';
      const value = Number(field);
      if (field === '' || (Number.isNaN(value) && field !== 'NaN')) {
        fail(`${column}: found ${JSON.stringify(field)}, expected a number`);
      }
      return value;
    });
    const step = values[stepColumn] ?? NaN;
    if (!(step > last)) fail(`step: found ${step} after ${last}, expected steps that increase`);
    last = step;
    table.set(values, i * metricsColumns.length);
  });
  return new MetricsTable(table);
}

/**
 * The metrics file in a run folder, also while it is being written.
 *
 * @param columns  those that are wanted, `step` among them: numbers of others may be missing, NaN
 * @throws DataError  the file is missing or as in `parseMetrics`
 */
export function readTable(dir: string, columns?: readonly MetricsColumn[]): MetricsTable {
  const path = join(dir, metricsFile);
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(`${path}: ${missing ? 'missing' : `unreadable: ${messageOf(error)}`}`, { cause: error });
  }
  return parseTable(text, path, columns);
}

/** Its rows. Throws as `readTable`. */
export function readMetrics(dir: string): MetricsRow[] {
  return readTable(dir).rows();
}
