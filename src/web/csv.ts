import type { FigureData } from '../lab/figures/spec.js';

/** One line a point: variant, curve (of several of a variant), x, mean, std. */
export function toCsv({ series, xTitle, yTitle }: FigureData): string {
  const lines = series.flatMap(({ label, curves }) =>
    curves.flatMap((curve, i) => curve.map(({ x, mean, std }) => [label, i, x, mean, std ?? ''])),
  );
  const header = ['variant', 'curve', xTitle, yTitle, 'std'];
  return [header, ...lines].map((fields) => `${fields.map(csvField).join(',')}\r\n`).join('');
}

/** As RFC 4180 quotes it. */
function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
