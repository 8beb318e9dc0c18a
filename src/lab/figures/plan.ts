/** Which figures there are: those that experiment files declare, and every metric of every experiment. */
import { ConfigError } from '../../errors.js';
import { variantsOf, type ExpandedVariant } from '../config/expand.js';
import { didYouMean } from '../config/nearest.js';
import { metricNames, type Experiment, type Figure, type Metric } from '../config/schema.js';

export interface FigurePlan {
  /** Path below the output folder, without extension: `fig4_1`, `exp01/train_loss`. */
  readonly name: string;
  /** Whose file declares it. */
  readonly experiment: string;
  readonly title: string;
  readonly metric: Metric;
  readonly x: Figure['x'];
  /** The mean over seeds with its band, or a thin line a seed. */
  readonly drawnAs: Figure['lines'];
  readonly publishedXMax: number | undefined;
  /** What is drawn, in this order. */
  readonly lines: readonly PlannedLine[];
}

export interface PlannedLine {
  readonly experiment: string;
  readonly variant: ExpandedVariant;
}

/**
 * All figures of the experiments.
 *
 * @throws ConfigError  a figure draws an unknown experiment or variant
 */
export function planFigures(experiments: readonly Experiment[]): FigurePlan[] {
  return experiments.flatMap((experiment) => [
    ...experiment.figures.map((figure) => declaredFigure(experiment, figure, experiments)),
    ...experiment.metricFigures.flatMap((x) => metricNames.map((metric) => metricFigure(experiment, metric, x))),
  ]);
}

/**
 * The figures that names of experiments and of figures select, each once; `fig4` selects fig4_1 and fig4_2.
 *
 * @throws ConfigError  a name that selects nothing (suggests the nearest), or one name for two figures
 */
export function selectFigures(plans: readonly FigurePlan[], names: readonly string[]): FigurePlan[] {
  const isNamed = (plan: FigurePlan, name: string): boolean =>
    [plan.name, plan.experiment].includes(name) || plan.name.replace(/_\d+$/, '') === name;
  for (const name of names) {
    if (plans.some((plan) => isNamed(plan, name))) continue;
    const known = [...new Set([...plans.map((plan) => plan.experiment), ...plans.map((plan) => plan.name)])];
    throw new ConfigError(`no experiment or figure is called "${name}": ${didYouMean(name, known)}`);
  }
  const selected = plans.filter((plan) => names.some((name) => isNamed(plan, name)));
  for (const [i, plan] of selected.entries()) {
    const twin = selected.slice(0, i).find((other) => other.name === plan.name);
    if (twin)
      throw new ConfigError(
        `two figures are called ${plan.name}: one of ${twin.experiment}, one of ${plan.experiment}`,
      );
  }
  return selected;
}

function metricFigure(experiment: Experiment, metric: Metric, x: Figure['x']): FigurePlan {
  return {
    name: `${experiment.name}/${x === 'wall' ? 'wall_' : ''}${metric}`,
    experiment: experiment.name,
    title: experiment.title,
    metric,
    x,
    drawnAs: x === 'wall' ? 'seeds' : 'mean',
    publishedXMax: undefined,
    lines: variantsOf(experiment).map((variant) => ({ experiment: experiment.name, variant })),
  };
}

function declaredFigure(experiment: Experiment, figure: Figure, all: readonly Experiment[]): FigurePlan {
  const where = `${experiment.name}: figure ${figure.file}`;
  return {
    name: figure.file,
    experiment: experiment.name,
    title: figure.title ?? experiment.title,
    metric: figure.metric,
    x: figure.x,
    drawnAs: figure.lines,
    publishedXMax: figure.publishedXMax,
    lines: figure.series.flatMap((reference) => linesOf(reference, experiment, all, where)),
  };
}

/** The variant that `variant` or `experiment/variant` names; all points of its grid if it has one. */
function linesOf(
  reference: string,
  home: Experiment,
  all: readonly Experiment[],
  where: string,
): readonly PlannedLine[] {
  const [first = '', second] = reference.split('/');
  const [experimentName, variantName] = second === undefined ? [home.name, first] : [first, second];
  const experiment = all.find((candidate) => candidate.name === experimentName);
  if (!experiment) {
    const known = all.map((candidate) => candidate.name);
    throw new ConfigError(`${where}: series "${reference}": no such experiment, ${didYouMean(experimentName, known)}`);
  }
  const variants = variantsOf(experiment);
  const lines = variants.filter(({ name, base }) => name === variantName || base === variantName);
  if (lines.length === 0) {
    const known = variants.map(({ name }) => name);
    throw new ConfigError(`${where}: series "${reference}": no such variant, ${didYouMean(variantName, known)}`);
  }
  return lines.map((variant) => ({ experiment: experiment.name, variant }));
}
