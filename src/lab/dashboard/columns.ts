import type { Columns } from './api.js';

/**
 * Lines of a CSV file of numbers as columns, for watching: quick, and forgiving where `parseMetrics` is strict. A field
 * that is no finite number becomes null, a column that the file lacks is all null.
 *
 * @param header  the file's first line
 * @param text    whole lines; the header among them is left out
 */
export function parseColumns(header: string, text: string, wanted: readonly string[]): Columns {
  const names = header
    .replace(/^\uFEFF/, '')
    .split(',')
    .map((name) => name.trim());
  const positions = wanted.map((name) => names.indexOf(name));
  const columns = wanted.map((): (number | null)[] => []);
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimEnd() === header.trimEnd()) continue;
    const fields = line.split(',');
    positions.forEach((position, c) => columns[c]?.push(numberOrNull(fields[position])));
  }
  return Object.fromEntries(wanted.map((name, c) => [name, columns[c] ?? []]));
}

function numberOrNull(field: string | undefined): number | null {
  const value = field === undefined || field.trim() === '' ? NaN : Number(field);
  return Number.isFinite(value) ? value : null;
}
