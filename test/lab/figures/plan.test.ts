import { ConfigError } from '../../../src/errors.js';
import { experimentSchema, metricNames, type Experiment } from '../../../src/lab/config/schema.js';
import { planFigures, selectFigures } from '../../../src/lab/figures/plan.js';
import { experiments } from './fixtures.js';

const [exp01, exp02] = experiments as [Experiment, Experiment];
const names = (plans: readonly { name: string }[]): string[] => plans.map(({ name }) => name);

test('every declared figure and all six metrics of every experiment', () => {
  expect(names(planFigures(experiments))).toEqual([
    ...metricNames.map((metric) => `exp01/${metric}`),
    'fig4_1',
    ...metricNames.map((metric) => `exp02/${metric}`),
  ]);
});

test('a declared figure draws its series in order, those of other experiments too; a metric all in file order', () => {
  const plans = planFigures(experiments);
  const lines = (name: string) =>
    plans.find((plan) => plan.name === name)?.lines.map(({ experiment, variant }) => `${experiment}/${variant.name}`);
  expect(lines('fig4_1')).toEqual([
    'exp01/sgd',
    'exp02/blocks-1',
    'exp02/blocks-2',
    'exp02/blocks-4',
    'exp02/blocks-16',
  ]);
  expect(lines('exp01/test_loss')).toEqual(['exp01/sgd', 'exp01/pch-abs']);
});

test('the name of a variant with a grid stands for all points of the grid', () => {
  const grid = experimentSchema.parse({
    ...exp01,
    variants: { sgd: { ...exp01.variants.sgd, grid: { 'optimizer.lr': [0.1, 1] } } },
    figures: [{ file: 'grid', metric: 'test_loss', series: ['sgd'] }],
  });
  expect(planFigures([grid])[0]?.lines.map(({ variant }) => variant.name)).toEqual(['sgd_lr_0.1', 'sgd_lr_1']);
});

test.each([
  ['exp01/sdg', 'exp02: figure fig4_1: series "exp01/sdg": no such variant, did you mean "sgd"?'],
  ['exp03/sgd', 'exp02: figure fig4_1: series "exp03/sgd": no such experiment, did you mean "exp01"?'],
])('series %s is an error that says where and what is near', (series, message) => {
  const broken = { ...exp02, figures: [{ ...exp02.figures[0]!, series: [series] as [string] }] };
  expect(() => planFigures([exp01, broken])).toThrow(new ConfigError(message));
});

test('names select experiments and figures, each figure once', () => {
  const plans = planFigures(experiments);
  expect(names(selectFigures(plans, ['fig4_1', 'exp01/test_loss']))).toEqual(['exp01/test_loss', 'fig4_1']);
  expect(selectFigures(plans, ['exp02', 'fig4_1'])).toHaveLength(7);
  expect(() => selectFigures(plans, ['fig4_3'])).toThrow(
    'no experiment or figure is called "fig4_3": did you mean "fig4_1"?',
  );
});

test('one name for two figures is refused, not overwritten', () => {
  const twin = { ...exp02, name: 'mine' };
  const plans = planFigures([exp01, exp02, twin]);
  expect(() => selectFigures(plans, ['exp02', 'mine'])).toThrow(
    'two figures are called fig4_1: one of exp02, one of mine',
  );
  expect(selectFigures(plans, ['exp02'])).toHaveLength(7);
});
