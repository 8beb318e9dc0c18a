/** The report's page: its figures as charts, from the numbers in the page itself. */
import type { FigureData } from '../lab/figures/spec.js';
import { Chart } from './chart.js';
import { byId } from './dom.js';

/** One figure of the report, as the page carries it. */
export interface ReportFigure {
  readonly name: string;
  readonly data: FigureData;
}

const figures = JSON.parse(byId('figures').textContent ?? '[]') as ReportFigure[];

/** Charts are drawn when they come near: a report may hold dozens. */
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      const figure = figures.find(({ name }) => name === (target as HTMLElement).dataset['figure']);
      if (!isIntersecting || !figure) continue;
      near.unobserve(target);
      const chart = new Chart({ height: 300, fileName: () => figure.name, titled: true });
      target.replaceChildren(chart.element);
      chart.show(revived(figure.data));
    }
  },
  { rootMargin: '400px' },
);
document.querySelectorAll('[data-figure]').forEach((place) => near.observe(place));

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
