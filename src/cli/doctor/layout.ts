import { stripVTControlCharacters } from 'node:util';

/** Columns of the terminal, or a readable width where there is none. */
export const width = (): number => process.stdout.columns || 100;

/**
 * A text behind a label, wrapped at words, its further lines under the first. A word longer than a line is left whole.
 *
 * @param label    may hold colours
 * @param indent   column where the text starts
 * @param paint    colours each line of the text
 */
export function entry(label: string, text: string, indent: number, paint = (line: string): string => line): string {
  const room = Math.max(20, width() - indent);
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  const gap = ' '.repeat(Math.max(0, indent - stripVTControlCharacters(label).length));
  return lines.map((line, i) => (i === 0 ? label + gap : ' '.repeat(indent)) + paint(line)).join('\n');
}
