/** What the updates of one run look like, layer by layer: norms, CG iterations, why CG stopped, damping. */
import type { DiagnosticsMessage, DiagnosticsRecord, LayerDiagnostics, RunSummary } from '../lab/dashboard/api.js';
import type { FigureData, Series } from '../lab/figures/spec.js';
import { Chart } from './chart.js';
import { byId, el, svg } from './dom.js';
import { number, plural } from './format.js';
import { choice } from './view.js';

interface Quantity {
  readonly title: string;
  readonly of: (layer: LayerDiagnostics) => number | null | undefined;
  readonly log: boolean;
}

const quantities: Readonly<Record<string, Quantity>> = {
  gradient: { title: 'Gradient norm', of: ({ gradientNorm }) => gradientNorm, log: true },
  update: { title: 'Update norm', of: ({ updateNorm }) => updateNorm, log: true },
  iterations: { title: 'CG iterations', of: ({ cg }) => cg?.iterations.mean, log: false },
};
const damping = { title: 'Damping', log: true };

/** Why CG stopped, with the colour of its part of a strip; `is-` classes in the style sheet colour the same. */
const reasons = ['converged', 'maxiter', 'non-positive-curvature', 'breakdown'] as const;
const reasonTitles: Readonly<Record<(typeof reasons)[number], string>> = {
  converged: 'converged',
  maxiter: 'most iterations',
  'non-positive-curvature': 'non-positive curvature',
  breakdown: 'breakdown',
};

/** Categories of many layers: Tableau 10, told apart further by their dashes. */
const palette = [
  ...['#4e79a7', '#f28e2b', '#e15759', '#499894', '#59a14f', '#b6992d', '#b07aa1', '#d37295', '#9d7660', '#79706e'],
];
const dashes: readonly (readonly number[])[] = [[], [7, 3], [1.8, 2.2]];
const stripColumns = 120;

export class LayersPanel {
  #run = '';
  #quantity = 'gradient';
  #records: DiagnosticsRecord[] = [];
  #end = 0;
  #runs: readonly RunSummary[] = [];
  #held: DiagnosticsMessage[] | null = null;
  readonly #chart: Chart;
  readonly #stops = el('div', { class: 'stops' });
  readonly #none = el('p', { class: 'empty' });

  constructor() {
    this.#chart = new Chart({ height: 260, fileName: () => `${this.#run}-${this.#quantity}` });
    byId('layers-body').append(this.#none, this.#chart.element, this.#stops);
    byId('layers-view').addEventListener('change', (event) => {
      const { name, value } = event.target as HTMLSelectElement;
      if (name === 'run') void this.choose(value);
      else {
        this.#quantity = value;
        this.#draw();
      }
    });
    byId('layers-view').addEventListener('submit', (event) => event.preventDefault());
  }

  /** The runs that there are; the first one to choose is one that trains. */
  setRuns(runs: readonly RunSummary[]): void {
    this.#runs = runs.filter(({ hasDiagnostics }) => hasDiagnostics);
    const isThere = this.#runs.some(({ name }) => name === this.#run);
    if (!isThere) {
      const next = this.#runs.find(({ state }) => state === 'running') ?? this.#runs[0];
      if (next) return void this.choose(next.name);
      this.#run = '';
      this.#records = [];
    }
    this.#draw();
  }

  async choose(run: string): Promise<void> {
    this.#run = run;
    this.#records = [];
    this.#end = 0;
    this.#held = [];
    const response = await fetch(`/api/diagnostics?${new URLSearchParams({ run }).toString()}`);
    if (run !== this.#run) return;
    if (response.ok) {
      const { records, to } = (await response.json()) as DiagnosticsMessage;
      this.#records = [...records];
      this.#end = to;
    }
    const held = this.#held ?? [];
    this.#held = null;
    held.forEach((message) => this.add(message));
    this.#draw();
  }

  add(message: DiagnosticsMessage): void {
    if (message.run !== this.#run) return;
    if (this.#held) return void this.#held.push(message);
    if (message.restarted) this.#records = [];
    else if (message.to <= this.#end) return;
    else if (message.from > this.#end) return void this.choose(this.#run);
    this.#end = message.to;
    for (const record of message.records) {
      while ((this.#records.at(-1)?.step ?? -1) >= record.step) this.#records.pop();
      this.#records.push(record);
    }
    this.#draw();
  }

  #draw(): void {
    const hasRun = this.#run !== '';
    byId('layers-view').hidden = !hasRun;
    this.#none.hidden = hasRun;
    this.#chart.element.hidden = !hasRun;
    this.#none.textContent = 'No run here has recorded its layers: runs of this version do, at every evaluation.';
    const hasCg = this.#records.some(({ layers }) => layers.some(({ cg }) => cg));
    const hasDamping = this.#records.some((record) => record.damping !== null);
    this.#fillControls(hasCg, hasDamping);
    if (hasRun) this.#chart.show(this.#data());
    this.#stops.hidden = !hasCg;
    if (hasCg) this.#drawStops();
  }

  #fillControls(hasCg: boolean, hasDamping: boolean): void {
    const offered = [
      ...Object.entries(quantities).filter(([key]) => key !== 'iterations' || hasCg),
      ...(hasDamping ? [['damping', damping] as const] : []),
    ];
    if (!offered.some(([key]) => key === this.#quantity)) this.#quantity = 'gradient';
    const runs = this.#runs.map(({ name }) => [name, name] as const);
    const form = byId('layers-view');
    const key = JSON.stringify([runs, offered.map(([each]) => each), this.#run, this.#quantity]);
    if (form.dataset['key'] === key) return;
    form.dataset['key'] = key;
    const hadFocus = (form.querySelector<HTMLElement>(':focus') as HTMLInputElement | null)?.name;
    form.replaceChildren(
      choice('run', 'Run', runs, this.#run, 'list'),
      choice(
        'quantity',
        'Show',
        offered.map(([each, { title }]) => [each, title]),
        this.#quantity,
        'buttons',
      ),
    );
    if (hadFocus) form.querySelector<HTMLElement>(`select[name="${hadFocus}"], [name="${hadFocus}"]:checked`)?.focus();
  }

  #paths(): string[] {
    return [...new Set(this.#records.flatMap(({ layers }) => layers.map(({ path }) => path)))];
  }

  #data(): FigureData {
    const quantity = quantities[this.#quantity];
    const { title, log } = quantity ?? damping;
    const series = quantity
      ? this.#paths().map((path, i): Series => {
          const curve = this.#records.map(({ step, layers }) => {
            const layer = layers.find((each) => each.path === path);
            return { x: step, mean: (layer && quantity.of(layer)) ?? NaN, std: null };
          });
          const dash = dashes[Math.floor(i / palette.length) % dashes.length] ?? [];
          return { label: path, style: { color: palette[i % palette.length] ?? '#4e79a7', dash }, curves: [curve] };
        })
      : [
          {
            label: 'damping',
            style: { color: palette[0] ?? '#4e79a7', dash: [] },
            curves: [this.#records.map((record) => ({ x: record.step, mean: record.damping ?? NaN, std: null }))],
          },
        ];
    return {
      title: this.#run,
      subtitle: [title],
      xTitle: 'Step',
      yTitle: title,
      yKind: 'plain',
      ...(log && { yScale: 'log' }),
      lines: 'mean',
      series,
      caption: [],
    };
  }

  /** For every parameter a strip over time, coloured by why most of its systems stopped, and the counts in words. */
  #drawStops(): void {
    const rows = this.#paths().map((path) => {
      const ends = this.#records.flatMap(({ layers }) => layers.find((each) => each.path === path)?.cg ?? []);
      const total = reasons.map((reason) => ends.reduce((sum, { stops }) => sum + (stops[reason] ?? 0), 0));
      const words = reasons.flatMap((reason, r) => (total[r] ? [`${total[r]} ${reasonTitles[reason]}`] : []));
      const last = ends.at(-1)?.iterations;
      const range = !last ? '–' : last.least === last.most ? number(last.most) : `${last.least} to ${last.most}`;
      return el(
        'tr',
        {},
        el('th', { scope: 'row' }, path),
        el('td', {}, strip(ends.map(({ stops }) => commonest(stops)))),
        el('td', {}, words.join(', ')),
        el('td', {}, range),
      );
    });
    const key = el(
      'p',
      { class: 'key', 'aria-hidden': 'true' },
      ...reasons.map((reason) => el('span', { class: `is-${reason}` }, reasonTitles[reason])),
    );
    const head = ['Parameter', 'Over time', 'In all', 'Last iterations'];
    this.#stops.replaceChildren(
      el('h3', {}, 'Why CG stopped'),
      key,
      el(
        'div',
        { class: 'scroll', role: 'region', 'aria-label': 'Why CG stopped', tabindex: 0 },
        el(
          'table',
          {},
          el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, ...rows),
        ),
      ),
      el('p', { class: 'note' }, `${plural(this.#records.length, 'update')} looked at, one an evaluation.`),
    );
  }
}

function commonest(stops: Readonly<Record<string, number>>): string {
  const [first] = Object.entries(stops).sort(([, a], [, b]) => b - a);
  return first?.[0] ?? '';
}

/** Reasons side by side; of several that share a column the gravest shows. */
function strip(ends: readonly string[]): SVGElement {
  const columns = Math.min(stripColumns, ends.length);
  const grave = (reason: string): number => reasons.findIndex((each) => each === reason);
  const parts = Array.from({ length: columns }, (_, c) => {
    const from = Math.floor((c * ends.length) / columns);
    const to = Math.max(from + 1, Math.floor(((c + 1) * ends.length) / columns));
    return ends.slice(from, to).reduce((a, b) => (grave(b) > grave(a) ? b : a));
  });
  const runs = parts.reduce<{ reason: string; start: number; length: number }[]>((made, reason, start) => {
    const last = made.at(-1);
    if (last?.reason !== reason) return [...made, { reason, start, length: 1 }];
    last.length++;
    return made;
  }, []);
  return svg(
    'svg',
    { class: 'strip', viewBox: `0 0 ${columns} 1`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...runs.map(({ reason, start, length }) =>
      svg('rect', { class: `is-${reason}`, x: start, y: 0, width: length, height: 1 }),
    ),
  );
}
