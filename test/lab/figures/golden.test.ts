/**
 * Every planned figure of the paper's experiments, compiled from made-up runs: the essentials of its scene against
 * golden.txt. After a wanted change: HBP_UPDATE_GOLDEN=1 npm test -- test/lab/figures/golden, and review the difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { figureContent, type FigureSources } from '../../../src/lab/figures/data.js';
import { planFigures, selectFigures, type FigurePlan } from '../../../src/lab/figures/plan.js';
import type { FigureData } from '../../../src/lab/figures/spec.js';
import { dashes } from '../../../src/lab/figures/style.js';
import { madeSource, paper } from './made.js';
import { domain, marks, run, type Item } from './scene.js';

const file = new URL('golden.txt', import.meta.url);
const update = process.env.HBP_UPDATE_GOLDEN === '1';

const short = { epochs: 4, evaluationsPerEpoch: 1 };
/** Three seeds, of which the last ends early on one variant. */
const source = madeSource({
  ...short,
  seeds: [0, 1, 2],
  change: (row, { variant, seed }) => (variant === 'pch-clip' && seed === 2 && row.epoch > 2 ? null : row),
});
const one = madeSource({ ...short, seeds: [0], name: 'one made run' });
const exploding = madeSource({
  ...short,
  seeds: [0, 1, 2],
  change: (row, { variant }) =>
    variant === 'pch-clip' ? { ...row, train_loss: row.train_loss * 9 ** row.epoch } : row,
});

const all = planFigures(paper);
const cases: readonly [string, FigureSources, readonly FigurePlan[]][] = [
  ['', { source }, all],
  [' of one over three seeds', { source: one, behind: source }, selectFigures(all, ['fig4', 'fig5a', 'fig5b'])],
  [' exploding', { source: exploding }, selectFigures(all, ['fig5a_1'])],
];

test('every planned figure shows what golden.txt says', async () => {
  const found: string[] = [];
  for (const [suffix, sources, plans] of cases) {
    for (const plan of plans) {
      const { data } = figureContent(plan, sources);
      if (!data) throw new Error(`${plan.name} has no data`);
      found.push(`${plan.name}${suffix}: ${await essentials(data)}`);
    }
  }
  const text = `${found.join('\n\n')}\n`;
  if (update) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

test('the figures of the paper are all planned, and every metric of every experiment', () => {
  const names = all.map(({ name }) => name);
  const published = ['fig4_1', 'fig4_2', 'fig5a_1', 'fig5a_2', 'fig5b_1', 'fig5b_2', 'figS6_1', 'figS6_2'];
  expect(names).toEqual(expect.arrayContaining(published));
  expect(names).toHaveLength(published.length + 6 * ['exp01', 'exp02', 'exp08', 'exp08/wall', 'exp09'].length);
});

/** Titles, axes, legend, and the marks from back to front. */
async function essentials(data: FigureData): Promise<string> {
  const { vega, view } = await run(data);
  const legend = marks(view, 'symbol', 'legend-symbol').map(([symbol], i) => ({
    label: text(marks(view, 'text', 'legend-label')[i]?.[0]),
    look: `${symbol?.stroke} ${dashName(symbol)}`,
  }));
  const who = (look: string): string => legend.find((entry) => entry.look.startsWith(look))?.label ?? `? ${look}`;
  const areas = marks(view, 'area').map(([item, ...rest]) => ({
    kind: `band, opacity ${item?.fillOpacity}`,
    label: who(`${item?.fill} `),
    drawn: [item, ...rest].some((each) => each?.defined !== false),
  }));
  const lines = marks(view, 'line').map(([item]) => ({
    kind: `line of ${item?.strokeWidth} px, opacity ${item?.opacity}`,
    label: who(`${item?.stroke} ${dashName(item)}`),
    drawn: true,
  }));
  // Bands and lines of other runs come first, then one's own bands, then one's own lines.
  const drawn = [...areas, ...lines].filter((mark) => mark.drawn);
  const kinds = [...new Set(drawn.map(({ kind }) => kind))];
  const [xTitle = '', yTitle = ''] = vega.axes?.flatMap(({ title }) => (typeof title === 'string' ? title : [])) ?? [];
  const labels = marks(view, 'text', 'axis-label').map((items) => items.map(text).join(' '));
  const title = vega.title as { text: string[]; subtitle: string[] };
  return [
    [...title.text, ...title.subtitle].join(' | '),
    `x       ${xTitle}, ${domain(view, 'x').join(' to ')}: ${labels.at(-2)}`,
    `y       ${yTitle}, ${domain(view, 'y').join(' to ')}: ${labels.at(-1)}`,
    ...legend.map(({ label, look }) => `legend  ${label}: ${look}`),
    ...kinds.map((kind) => {
      const names = drawn.filter((mark) => mark.kind === kind).map(({ label }) => label);
      return `${kind}: ${counted(names)}`;
    }),
    ...data.caption.map((line) => `below   ${line}`),
  ].join('\n  ');
}

function text(item: Item | undefined): string {
  return String(item?.text);
}

function dashName(item: Item | undefined): string {
  const dash = JSON.stringify(item?.strokeDash ?? []);
  return Object.entries(dashes).find(([, pattern]) => JSON.stringify(pattern) === dash)?.[0] ?? dash;
}

/** `a, b x3`: names that repeat in a row once. */
function counted(names: readonly string[]): string {
  const runs = names.reduce<[string, number][]>((made, name) => {
    const last = made.at(-1);
    return last?.[0] === name ? [...made.slice(0, -1), [name, last[1] + 1]] : [...made, [name, 1]];
  }, []);
  return runs.map(([name, count]) => (count > 1 ? `${name} x${count}` : name)).join(', ');
}
