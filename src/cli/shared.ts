import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { Option } from 'commander';
import pc from 'picocolors';
import { activationSchema } from '../lab/config/schema.js';

/** The folder of this package: where experiments and recorded runs ship. */
const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

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

/** A borderless table: a header row, then rows; columns two spaces apart. */
export function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
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
  const table = new Table({
    head: head.map((text) => pc.bold(text)),
    chars: { ...none, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => row.map(String)));
  return table.toString();
}
