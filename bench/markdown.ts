/** The generated part of docs/performance.md. */
import { markdownTable, sections, tally } from './report.js';
import type { Results } from './results.js';

/** From docs/. */
export const figure = 'figures/performance.png';
const end = '<!-- end -->';

/**
 * The document with another generated part.
 *
 * @param source  the file in bench/results that it was made of
 */
export function withGenerated(text: string, part: string, source = 'published.json'): string {
  const begin = `<!-- generated from bench/results/${source} by npm run bench:docs: begin -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/performance.md lacks the line "${begin}" or "${end}"`);
  return `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`;
}

/** What the measurement was made on, the figure and the tables, in Markdown. */
export function generated(results: Results): string {
  const { machine, backend, versions, peers, load, rows } = results;
  const size = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const facts = [
    `date ${results.date.slice(0, 10)}, commit ${results.commit ?? 'unknown'}`,
    `machine: ${machine.cpu}, ${machine.cores} cores, last-level cache ${size(machine.cacheBytes)}, memory ${size(machine.memoryBytes)}, ${machine.os}`,
    `backend: ${backend.name} (${backend.description}), ${backend.threads} threads`,
    `versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    ...Object.entries(peers).map(([name, about]) => `peer ${name}: ${about}`),
    `${results.repetitions} repetitions of everybody; load average ${load.map((x) => x.toFixed(2)).join(' before, ')} after`,
  ];
  const tables = sections.flatMap(({ section, title }) => {
    const own = rows.filter((row) => row.section === section);
    return own.length > 0 ? [`### ${title}`, markdownTable(own)] : [];
  });
  return [
    facts.map((fact) => `- ${fact}`).join('\n'),
    `**${tally(rows)}.**`,
    `![Medians and quartiles](${figure})`,
    ...tables,
  ].join('\n\n');
}
