/** The report's page: its figures as charts, from the numbers in the page itself. */
import type { TopLevelSpec } from 'vega-lite';
import type { FigureData } from '../lab/figures/spec.js';
import { Chart } from './chart.js';
import { byId } from './dom.js';

/** One figure of the report, as the page carries it. */
export interface ReportFigure {
  readonly name: string;
  readonly data: FigureData;
}

const figures = JSON.parse(byId('figures').textContent ?? '[]') as ReportFigure[];

/** A figure of `hbp inspect`, drawn by its own spec. */
interface CurvatureFigure {
  readonly name: string;
  readonly spec: TopLevelSpec;
}

const curvature = JSON.parse(byId('curvature').textContent ?? '[]') as CurvatureFigure[];

/** Figures are drawn when they come near: a report may hold dozens. */
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target as HTMLElement);
    }
  },
  { rootMargin: '400px' },
);
document.querySelectorAll('[data-figure], [data-curvature]').forEach((place) => near.observe(place));

function draw(place: HTMLElement): void {
  const figure = figures.find(({ name }) => name === place.dataset['figure']);
  if (figure) {
    const chart = new Chart({ height: 300, fileName: () => figure.name, titled: true });
    place.replaceChildren(chart.element);
    chart.show(revived(figure.data));
    return;
  }
  const drawn = curvature.find(({ name }) => name === place.dataset['curvature']);
  if (!drawn) return;
  const options = { actions: false, ast: true, defaultStyle: false, renderer: 'canvas', tooltip: false } as const;
  vegaEmbed(place, drawn.spec, options).catch((error: unknown) => {
    place.textContent = `The figure cannot be drawn: ${String(error)}`;
  });
}

/** JSON has no NaN: null stands for it. */
function revived(data: FigureData): FigureData {
  const number = (value: number | null): number => value ?? NaN;
  const revive = (curves: FigureData['series'][number]['curves']): typeof curves =>
    curves.map((curve) => curve.map(({ x, mean, std }) => ({ x, mean: number(mean), std })));
  return {
    ...data,
    series: data.series.map((series) => ({
      ...series,
      curves: revive(series.curves),
      ...(series.behind && { behind: revive(series.behind) }),
    })),
  };
}
