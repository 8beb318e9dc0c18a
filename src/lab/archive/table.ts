/** CSV tables of numbers as pandas writes them, and as people and other programs leave them. */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { DataError, messageOf, printable } from '../../errors.js';

export interface NumberTable {
  readonly columns: readonly string[];
  /** An empty field is NaN. */
  readonly rows: readonly (readonly number[])[];
  /** The line of a row in the file. */
  readonly lineOf: (row: number) => number;
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
  const whole = text.slice(0, end);
  const [header, ...body] = parseCsv<readonly string[]>(whole, where, { info: false });
  if (!header) throw new DataError(`${where}:1: found no header line`);
  const wanted = header.map((name, index) => ({ name, index })).filter(({ name }) => counts(name));
  // Keeping every record's line doubles the time: they are counted once one is asked for.
  const lineOf = (row: number): number =>
    parseCsv<{ info: { lines: number } }>(whole, where, { info: true })[row + 1]?.info.lines ?? NaN;
  const rows = body.map((record, row) =>
    wanted.map(({ name, index }) => {
      const found = numberIn(record[index]);
      if (typeof found === 'number') return found;
      throw new DataError(`${where}:${lineOf(row)}: ${printable(`${name}: ${found.problem}`)}`);
    }),
  );
  return { columns: wanted.map(({ name }) => name), rows, lineOf, torn: text.slice(end).trim() !== '' };
}

/** @param options whether a record is its fields, or an object that also says where it was */
function parseCsv<T>(text: string, where: string, options: { readonly info: boolean }): T[] {
  try {
    const records: unknown = parse(text, {
      ...options,
      bom: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    });
    return records as T[]; // csv-parse types `info: true` as if it changed nothing
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

function numberIn(field: string | undefined): number | { readonly problem: string } {
  if (field === undefined) return { problem: 'the line ends before it' };
  // Number() would also take 0x10 and the like.
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field)) return Number(field);
  return words[field.toLowerCase()] ?? { problem: `found ${JSON.stringify(field)}, expected a number` };
}
