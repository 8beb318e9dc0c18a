/** CSV tables of numbers as pandas writes them, and as people and other programs leave them. */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { DataError, messageOf } from '../../errors.js';

export interface NumberTable {
  readonly columns: readonly string[];
  /** An empty field is NaN. */
  readonly rows: readonly { readonly line: number; readonly values: readonly number[] }[];
  /** The last line had no newline: a torn write, left out. */
  readonly torn: boolean;
}

/**
 * Reads a table of which some columns count; others may hold anything and are dropped, so is a BOM, CRLF is accepted.
 *
 * @param counts  whether a column of the header is wanted
 * @throws DataError  with file and line: unreadable, not CSV, no header, or a field that is not a number
 */
export function readNumberTable(path: string, counts: (column: string) => boolean): NumberTable {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new DataError(`${path}: unreadable: ${messageOf(error)}`, { cause: error });
  }
  return parseNumberTable(text, path, counts);
}

export function parseNumberTable(text: string, where: string, counts: (column: string) => boolean): NumberTable {
  const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
  const [header, ...body] = records(text.slice(0, end), where);
  if (!header) throw new DataError(`${where}:1: found no header line`);
  const wanted = header.record.map((name, index) => ({ name, index })).filter(({ name }) => counts(name));
  return {
    columns: wanted.map(({ name }) => name),
    rows: body.map(({ record, info }) => ({
      line: info.lines,
      values: wanted.map(({ name, index }) => numberIn(record[index], name, `${where}:${info.lines}`)),
    })),
    torn: text.slice(end).trim() !== '',
  };
}

interface CsvRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function records(text: string, where: string): CsvRecord[] {
  try {
    const records: unknown = parse(text, {
      bom: true,
      info: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    });
    return records as CsvRecord[]; // csv-parse types `info: true` as if it changed nothing
  } catch (error) {
    throw new DataError(`${where}: not a CSV file: ${messageOf(error)}`, { cause: error });
  }
}

/** As Python and JavaScript write numbers. */
const words: Readonly<Record<string, number>> = {
  '': NaN,
  nan: NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
  infinity: Infinity,
  '-infinity': -Infinity,
};

function numberIn(field: string | undefined, column: string, where: string): number {
  if (field === undefined) throw new DataError(`${where}: ${column}: the line ends before it`);
  const word = words[field.toLowerCase()];
  if (word !== undefined) return word;
  // Number() would also take 0x10 and the like.
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : NaN;
  if (Number.isNaN(value))
    throw new DataError(`${where}: ${column}: found ${JSON.stringify(field)}, expected a number`);
  return value;
}
