/** What all figures have in common to the eye. */

/** The family that every rendering uses; a machine that opens the SVG without it falls back on its like. */
export const fontFamily = 'DejaVu Sans';
export const ink = '#222222';

export const titleConfig = {
  anchor: 'start',
  frame: 'group',
  fontSize: 16,
  color: ink,
  subtitleFontSize: 12,
  subtitleLineHeight: 15,
  subtitleColor: '#555555',
  subtitlePadding: 4,
  offset: 8,
} as const;

export const axisConfig = {
  labelFontSize: 14,
  titleFontSize: 15,
  titleFontWeight: 'normal',
  labelColor: ink,
  titleColor: ink,
  titlePadding: 8,
  domainColor: ink,
  tickColor: ink,
  gridColor: '#e4e4e4',
  labelFlush: false,
} as const;

/** Lines of at most `length` characters, broken between parts; a longer part has a line of its own. */
export function wrap(parts: readonly string[], separator: string, length: number): string[] {
  return parts.reduce<string[]>((lines, part) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + separator.length + part.length > length) return [...lines, part];
    return [...lines.slice(0, -1), last + separator + part];
  }, []);
}
