/** A chart with its legend of switches, its tools, and its numbers as a table. Both pages are made of these. */
import type { Result } from 'vega-embed';
import type { Curve, FigureData, Series } from '../lab/figures/spec.js';
import { chartRows, chartSpec, hasBands, hasPlacedValue, rowsName, zoomName } from './chart-spec.js';
import { onGround } from './colours.js';
import { between, thinned } from './curves.js';
import { el, svg } from './dom.js';
import { download, type FileKind } from './download.js';
import { number, percent } from './format.js';
import { currentTheme, onThemeChange } from './theme.js';

type View = Result['view'];

export interface ChartOptions {
  readonly height: number;
  /** Of the files, without extension. */
  readonly fileName: () => string;
  /** Labels that are switched off; the chart changes it. */
  readonly hidden?: Set<string>;
  readonly onHidden?: () => void;
  /** Whether the subtitle and title are the chart's to show. */
  readonly titled?: boolean;
}

/** Points of all lines together that are drawn at once; more than that cannot be told apart. */
const mostPoints = 5000;
const fewestOfALine = 80;
const zoomStep = 0.6;

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #hidden: Set<string>;
  readonly #legend = el('div', { class: 'legend', role: 'group', 'aria-label': 'Shown in the chart' });
  readonly #plot = el('div', { class: 'plot' });
  readonly #empty = el('p', { class: 'empty' });
  readonly #table = el('table');
  readonly #details: HTMLDetailsElement;
  readonly #title = el('div', { class: 'chart-title' });
  #data: FigureData | null = null;
  #view: View | null = null;
  /** What the drawn spec was made from. */
  #drawnAs = '';
  /** The part of the x axis that is looked at; null: all. */
  #window: readonly [number, number] | null = null;
  /** Changes follow each other. */
  #work: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#hidden = options.hidden ?? new Set();
    this.#details = el(
      'details',
      {},
      el('summary', {}, 'Values as a table'),
      el('div', { class: 'scroll' }, this.#table),
    );
    this.#details.addEventListener('toggle', () => this.#fillTable());
    this.element = el(
      'figure',
      { class: 'chart' },
      options.titled ? this.#title : null,
      this.#legend,
      this.#empty,
      this.#plot,
      this.#tools(),
      this.#details,
    );
    onThemeChange(() => this.#refresh());
  }

  /** Shows these numbers; cheap where only points were added. */
  show(data: FigureData): void {
    this.#data = data;
    this.#refresh();
  }

  #refresh(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#work = this.#work.then(async () => {
      this.#waiting = false;
      try {
        await this.#draw();
      } catch (error) {
        this.#plot.replaceChildren(el('p', { role: 'alert' }, `The chart cannot be drawn: ${String(error)}`));
        this.#drawnAs = '';
      }
    });
  }

  async #draw(): Promise<void> {
    const data = this.#data;
    if (!data) return;
    const isShown = (label: string): boolean => !this.#hidden.has(label);
    const isEmpty = !hasPlacedValue(data, isShown);
    this.#empty.hidden = !isEmpty;
    this.#plot.hidden = isEmpty;
    if (this.#options.titled) this.#fillTitle(data);
    this.#fillLegend(data);
    if (this.#details.open) this.#fillTable();
    if (isEmpty) return this.#empty.replaceChildren(this.#whyEmpty(data));
    const theme = currentTheme();
    const { title, xTitle, yTitle, yKind, yScale, lines, xMax } = data;
    const looks = data.series.map(({ label, style }) => [label, style]);
    const drawnAs = JSON.stringify([title, xTitle, yTitle, yKind, yScale, lines, xMax, hasBands(data), looks, theme]);
    if (drawnAs !== this.#drawnAs) this.#window = null;
    const rows = chartRows(this.#visible(data), isShown);
    if (drawnAs === this.#drawnAs) return void (await this.#view?.data(rowsName, rows).runAsync());
    this.#view?.finalize();
    const { view } = await vegaEmbed(this.#plot, chartSpec(data, theme, this.#options.height, rows), {
      ...{ actions: false, ast: true, defaultStyle: false, renderer: 'canvas' },
      tooltip: { disableDefaultStyle: true, theme: 'hbp' },
    });
    this.#view = view;
    this.#drawnAs = drawnAs;
    this.#followZoom(view);
  }

  #whyEmpty({ series, yScale }: FigureData): string {
    if (series.every(({ curves }) => curves.flat().length === 0)) return 'No values yet.';
    if (series.every(({ label }) => this.#hidden.has(label))) return 'Everything is switched off.';
    return yScale === 'log' ? 'No values that a logarithmic axis has a place for.' : 'No finite values.';
  }

  /** As many points as can be told apart in what is looked at. */
  #visible(data: FigureData): FigureData {
    const all = data.series.filter(({ label }) => !this.#hidden.has(label));
    const count = all.reduce((sum, { curves, behind = [] }) => sum + curves.length + behind.length, 0);
    const most = Math.max(fewestOfALine, Math.floor(mostPoints / Math.max(1, count)));
    const look = (curve: Curve): Curve => thinned(this.#window ? between(curve, this.#window) : curve, most);
    return {
      ...data,
      series: data.series.map((series): Series => {
        const { curves, behind } = series;
        return { ...series, curves: curves.map(look), ...(behind && { behind: behind.map(look) }) };
      }),
    };
  }

  // Zoom

  /** Points that were left out for want of room come back when one looks closer. */
  #followZoom(view: View): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    view.addSignalListener(`${zoomName}_x`, (_name, domain: unknown) => {
      const next = isRange(domain) ? domain : null;
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (view !== this.#view || String(next) === String(this.#window)) return;
        this.#window = next;
        this.#refresh();
      }, 150);
    });
  }

  async #zoom(factor: number | null): Promise<void> {
    const view = this.#view;
    if (!view) return;
    for (const axis of ['x', 'y'] as const) {
      const scale = view.scale(axis) as { domain(): [number, number]; type?: string };
      const domain = scale.domain();
      view.signal(`${zoomName}_${axis}`, factor === null ? null : zoomed(domain, factor, this.#isLog(axis)));
    }
    await view.runAsync();
  }

  #isLog(axis: 'x' | 'y'): boolean {
    return axis === 'y' && this.#data?.yScale === 'log';
  }

  // Around the plot

  #tools(): HTMLElement {
    const button = (text: string, label: string, action: () => unknown): HTMLButtonElement => {
      const made = el('button', { type: 'button', 'aria-label': label, title: label }, text);
      made.addEventListener('click', () => void action());
      return made;
    };
    const file = (kind: FileKind): HTMLButtonElement =>
      button(kind.toUpperCase(), `Download as ${kind.toUpperCase()}`, () => this.#download(kind));
    return el(
      'div',
      { class: 'tools' },
      el(
        'div',
        { role: 'group', 'aria-label': 'Zoom' },
        button('+', 'Zoom in', () => this.#zoom(zoomStep)),
        button('−', 'Zoom out', () => this.#zoom(1 / zoomStep)),
        button('Reset', 'Show the whole chart', () => this.#zoom(null)),
      ),
      el('span', { class: 'hint' }, 'Drag to move, Ctrl + wheel to zoom, double click to reset'),
      el('div', { role: 'group', 'aria-label': 'Download' }, file('svg'), file('png'), file('csv')),
    );
  }

  async #download(kind: FileKind): Promise<void> {
    if (!this.#data) return;
    const series = this.#data.series.filter(({ label }) => !this.#hidden.has(label));
    await download({ ...this.#data, series }, kind, this.#options.fileName());
  }

  #fillTitle({ title, subtitle, caption, xTitle, yTitle }: FigureData): void {
    this.#title.replaceChildren(
      el('h3', {}, `${yTitle} by ${xTitle.toLowerCase()}`),
      el('p', { class: 'note' }, [title, ...subtitle].join(' · ')),
      ...caption.map((line) => el('p', { class: 'note caption' }, line)),
    );
  }

  #fillLegend({ series }: FigureData): void {
    const { ground } = currentTheme();
    const key = JSON.stringify([series.map(({ label, style }) => [label, style]), ground]);
    if (this.#legend.dataset['key'] !== key) {
      this.#legend.dataset['key'] = key;
      this.#legend.replaceChildren(...series.map((each) => this.#switch(each, ground)));
    }
    for (const button of this.#legend.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(!this.#hidden.has(button.dataset['label'] ?? '')));
    }
  }

  #switch({ label, style }: Series, ground: string): HTMLButtonElement {
    const line = svg('line', {
      ...{ x1: 1, y1: 6, x2: 27, y2: 6, 'stroke-width': 2.5 },
      stroke: onGround(style.color, ground),
      'stroke-dasharray': style.dash.join(' '),
    });
    const swatch = svg('svg', { width: 28, height: 12, 'aria-hidden': 'true' }, line);
    const button = el('button', { type: 'button', 'data-label': label, title: 'Show or hide' }, swatch, label);
    button.addEventListener('click', () => {
      if (!this.#hidden.delete(label)) this.#hidden.add(label);
      this.#options.onHidden?.();
      this.#refresh();
    });
    return button;
  }

  /** Where every line stands, and its best value, for those who do not see the chart. */
  #fillTable(): void {
    const data = this.#data;
    if (!data || !this.#details.open) return;
    const { xTitle, yTitle, yKind, series } = data;
    const best = yKind === 'fraction' ? 'Highest' : 'Lowest';
    const format = (value: number): string => (yKind === 'fraction' ? percent(value, 2) : number(value));
    const rows = series.flatMap(({ label, curves }) =>
      curves.flatMap((curve, i) => {
        const last = curve.findLast(({ mean }) => Number.isFinite(mean));
        if (!last) return [];
        const values = curve.map(({ mean }) => mean).filter(Number.isFinite);
        const extreme = values.reduce((a, b) => (yKind === 'fraction' ? Math.max(a, b) : Math.min(a, b)));
        const name = curves.length > 1 ? `${label}, ${i + 1}` : label;
        const spread = last.std === null ? '' : ` ± ${format(last.std)}`;
        return [[name, number(last.x), format(last.mean) + spread, format(extreme)]];
      }),
    );
    const cells = (tag: 'th' | 'td', texts: readonly string[]): HTMLElement =>
      el(
        'tr',
        {},
        ...texts.map((text, i) =>
          el(i === 0 ? 'th' : tag, { scope: tag === 'th' ? 'col' : i === 0 ? 'row' : null }, text),
        ),
      );
    this.#table.replaceChildren(
      el('caption', { class: 'hidden' }, `${data.title}: ${yTitle}`),
      el('thead', {}, cells('th', ['Variant', xTitle, `Last: ${yTitle}`, best])),
      el('tbody', {}, ...rows.map((row) => cells('td', row))),
    );
  }
}

function isRange(domain: unknown): domain is [number, number] {
  return Array.isArray(domain) && domain.length === 2 && domain.every((end) => typeof end === 'number');
}

/** The domain about its middle, narrower or wider. */
function zoomed([from, to]: readonly [number, number], factor: number, isLog: boolean): [number, number] {
  const [a, b] = isLog ? [Math.log(from), Math.log(to)] : [from, to];
  const [middle, half] = [(a + b) / 2, ((b - a) / 2) * factor];
  return isLog ? [Math.exp(middle - half), Math.exp(middle + half)] : [middle - half, middle + half];
}
