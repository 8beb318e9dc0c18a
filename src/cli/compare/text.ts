/** Tables of words for a terminal, as wide as it is, and for Markdown. */
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { formatTable } from '../shared.js';
import type { Column, WordTable } from './tables.js';

/**
 * @param width  of the terminal; a wider table is cut between groups of columns, or between columns, into several that
 *               all begin with the first column
 */
export function tableText({ title, columns, rows }: WordTable, width = Infinity): string {
  const part = (indices: readonly number[]): string => {
    const pick = <T>(values: readonly T[]): T[] => [0, ...indices].flatMap((c) => values.slice(c, c + 1));
    return formatTable(headOf(pick(columns)), rows.map(pick)).replace(/ +$/gm, '');
  };
  const fits = (indices: readonly number[]): boolean => widthOf(part(indices)) <= width;
  const units = groupsOf(columns).flatMap((group) => (fits(group) ? [group] : group.map((c) => [c])));
  const parts = units.reduce<number[][]>((made, unit) => {
    const last = made.at(-1);
    return last && fits([...last, ...unit]) ? [...made.slice(0, -1), [...last, ...unit]] : [...made, unit];
  }, []);
  return [pc.underline(title), ...parts.map(part)].join('\n');
}

function headOf(columns: readonly Column[]): string[] {
  const grouped = columns.some(({ group }) => group !== undefined);
  return columns.map(({ group, name }, c) => {
    if (!grouped) return name;
    const told = group === undefined || columns[c - 1]?.group === group;
    return `${told ? '' : group}\n${name}`;
  });
}

/** Neighbours of one group, by index, without the first column. */
function groupsOf(columns: readonly Column[]): number[][] {
  return columns.reduce<number[][]>((made, { group }, c) => {
    if (c === 0) return made;
    const last = made.at(-1);
    if (last && group !== undefined && columns[c - 1]?.group === group) return [...made.slice(0, -1), [...last, c]];
    return [...made, [c]];
  }, []);
}

function widthOf(text: string): number {
  return Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).trimEnd().length));
}

export function tableMarkdown({ title, columns, rows }: WordTable): string {
  const names = columns.map(({ group, name }) => (group === undefined ? name : `${group}: ${name}`));
  const cells = [names, ...rows].map((row) => row.map(escaped));
  const widths = names.map((_, c) => Math.max(3, ...cells.map((row) => (row[c] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, c) => (row[c] ?? '').padEnd(width)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [`${escaped(title)}:`, '', line(head), rule, ...body.map(line)].join('\n');
}

/** What Markdown would take for its own. */
export function escaped(text: string): string {
  return text.replace(/[\\|*_`<>[\]]/g, '\\$&').replace(/\n/g, ' ');
}
