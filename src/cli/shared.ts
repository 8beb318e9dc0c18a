import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { Option } from 'commander';
import pc from 'picocolors';
import { activationSchema } from '../lab/config/schema.js';

/** The folder of this package: where experiments and recorded runs ship. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** A folder of the current directory if it is there, else the one that ships with the package. */
function ownOrShipped(...path: string[]): string {
  const own = resolve(...path);
  return existsSync(own) ? own : join(packageRoot, ...path);
}

/** Where things are, relative to the current directory. */
export const folders = {
  experiments: (): string => ownOrShipped('experiments'),
  runs: (quick = false): string => resolve('data', quick ? 'runs-quick' : 'runs'),
  original: (): string => ownOrShipped('data', 'original'),
  datasets: (): string => resolve('data', 'datasets'),
  figures: (): string => resolve('fig'),
  exports: (): string => resolve('data', 'export'),
};

/** Which run store a command looks at. */
export interface StoreFlags {
  readonly quick?: true;
  readonly runs?: string;
}

export function storeOf({ runs, quick }: StoreFlags): string {
  return runs === undefined ? folders.runs(quick) : resolve(runs);
}

/** Where datasets are looked for, in this order: --data-dir or HBP_DATA_DIR, then the default folder. */
export function dataDirs(dataDir = process.env['HBP_DATA_DIR']): string[] {
  return dataDir ? [resolve(dataDir), folders.datasets()] : [folders.datasets()];
}

/** Of the commands that take experiments; `withActivation` does it. */
export function activationOption(): Option {
  const description = 'the same experiments with another activation, under names of their own such as exp08-relu';
  return new Option('--activation <name>', description).choices(activationSchema.options);
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Characters of a line of the terminal that results go to; absent where they go elsewhere. */
function terminalColumns(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

/** Narrower than this no column becomes. */
const leastColumn = 8;

/** Widths of columns that together fit a line: the widest give way first. */
function fitColumns(natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  while (widths.reduce((a, b) => a + b, 0) > room) {
    const widest = Math.max(...widths);
    if (widest <= leastColumn) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

/** Whether a character of a cell is a column of the terminal. */
function isPlain(cell: string | number): boolean {
  return /^[ -~]*$/.test(String(cell));
}

/** Rows of plain cells, each as wide as its column. */
function alignedLines(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  widths: readonly number[],
): string {
  const lineOf = (cells: readonly string[], show: (text: string) => string): string =>
    cells.map((text, i) => show(text) + ' '.repeat((widths[i] ?? 0) - text.length)).join('  ');
  const shown = [
    lineOf(head, (text) => text && pc.bold(text)),
    ...rows.map((row) => lineOf(row.map(String), (text) => text)),
  ];
  return shown.map((line) => line.trimEnd()).join('\n');
}

/**
 * A borderless table: a header row, then rows; columns two spaces apart.
 *
 * @param columns  characters of a line: cells wrap to fit it; absent: as wide as it is, so that programs can read it
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  columns = terminalColumns(),
): string {
  const natural = head.map((text, i) =>
    rows.reduce((width, row) => Math.max(width, String(row[i] ?? '').length), text.length),
  );
  const gaps = 2 * (head.length - 1);
  const isWide = columns !== undefined && natural.reduce((a, b) => a + b, gaps) > columns;
  // The library has the rest, cells that wrap and other scripts; of a table of 10,000 runs it took over half of the time.
  if (!isWide && [head, ...rows].every((row) => row.every(isPlain))) return alignedLines(head, rows, natural);
  const none = Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'left-mid',
      'mid',
      'mid-mid',
      'right',
      'right-mid',
    ].map((key) => [key, '']),
  );
  const widths = isWide ? fitColumns(natural, columns - gaps) : natural;
  // The library's time grows with the square of the rows.
  const parts = rows.length <= rowsAtOnce ? [rows] : partsOf(rows, rowsAtOnce);
  return parts
    .flatMap((part, i) => {
      const shown = i > 0 ? [] : head;
      const table = new Table({
        // Over several lines escape codes would be torn, or hold the padding.
        head:
          isWide || shown.some((text) => text.includes('\n')) ? [...shown] : shown.map((text) => text && pc.bold(text)),
        chars: { ...none, middle: '  ' },
        style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
        ...((isWide || parts.length > 1) && { colWidths: [...widths] }),
        ...(isWide && { wordWrap: true, wrapOnWordBoundary: false }),
      });
      table.push(...part.map((row) => row.map(String)));
      return table.toString().split('\n');
    })
    .map((line) => line.trimEnd())
    .join('\n');
}

const rowsAtOnce = 100;

function partsOf<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
