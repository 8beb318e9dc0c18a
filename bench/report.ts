/** Rows as tables, for the terminal and for docs/performance.md. */
import { type Check, doubt, type Results, type Row, type Section, type Unit } from './results.js';
import type { Quartiles } from './statistics.js';
import { textTable } from './text-table.js';

/** In the order of the report. */
export const sections: readonly { readonly section: Section; readonly title: string }[] = [
  { section: 'products', title: 'Matrix products and convolutions' },
  { section: 'memory', title: 'Operations that wait for memory' },
  { section: 'steps', title: 'Steps of gradient descent' },
  { section: 'resident', title: 'Memory' },
];

const head = ['row', 'ours', 'peer', 'ratio', 'target', 'met'];

/** One line for each bound that a row has to reach, or for each peer if it has none. */
export function linesOf(row: Row): string[][] {
  if (!row.ours) return [[row.name, 'not measured', '', '', '', '']];
  const ours = `${spread(row.ours, row.unit)} ${row.unit}`;
  const rest = row.peers.map(({ name, value }) => {
    const found = row.checks.find(({ of }) => of === name);
    const ratio = row.ours!.median / value.median;
    return [
      `${name} ${spread(value, row.unit)}`,
      ratio.toFixed(2),
      found ? target(found) : '',
      found ? met(found) : '',
    ];
  });
  if (rest.length === 0) return [[row.name, ours, '', '', '', '']];
  return rest.map((line, i) => [i === 0 ? row.name : '', i === 0 ? ours : '', ...line]);
}

/** One line while it runs. */
export function progress({ name, ours, unit, peers, note }: Row): string {
  if (!ours) return `${name}: not measured: ${note}`;
  const all = [{ name: 'ours', value: ours }, ...peers];
  return `${name}, ${unit}: ${all.map((one) => `${one.name} ${spread(one.value, unit)}`).join(', ')}`;
}

/** All rows for the terminal, then how many targets are met. */
export function textReport(results: Results): string {
  const { rows } = results;
  const parts = sections.flatMap(({ section, title }) => {
    const own = rows.filter((row) => row.section === section);
    if (own.length === 0) return [];
    const notes = own.flatMap(({ name, note }) => (note === null ? [] : [`  ${name}: ${note}`]));
    return [`\n${title}\n`, textTable(head, own.flatMap(linesOf)), ...notes];
  });
  const reason = doubt(results);
  const summary = tally(rows) + (reason === null ? '' : `, but ${reason}`);
  return [...parts, '', summary].join('\n');
}

/** "12 of 14 targets met, 1 row not measured". */
export function tally(rows: readonly Row[]): string {
  const checks = rows.flatMap((row) => row.checks);
  const missing = rows.filter(({ ours }) => ours === null).length;
  const unmeasured = missing > 0 ? `, ${missing} ${missing === 1 ? 'row' : 'rows'} not measured` : '';
  return `${checks.filter((check) => check.met).length} of ${checks.length} targets met${unmeasured}`;
}

export function markdownTable(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const notes = rows.flatMap(({ name, note }) => (note === null ? [] : [`- ${name}: ${note}`]));
  const table = [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.flatMap(linesOf).map(line)];
  return [...table, '', ...notes].join('\n').trim();
}

/** Median, then the quartiles in brackets. */
function spread({ median, low, high }: Quartiles, unit: Unit): string {
  const digits = unit === 'MB' || median >= 100 ? 0 : median >= 10 ? 1 : 2;
  const [middle, ...ends] = [median, low, high].map((x) => x.toFixed(digits));
  return `${middle} (${ends.join('-')})`;
}

function target({ kind, bound }: Check): string {
  return `${kind} ${bound}`;
}

function met(check: Check): string {
  return check.met ? 'yes' : 'no';
}
