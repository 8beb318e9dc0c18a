import { variantsOf } from '../config/expand.js';
import type { Experiment, OptimizerSpec } from '../config/schema.js';
import { lineStyles } from '../figures/style.js';
import type { RunInfo } from '../results/inspect.js';
import type { ExperimentInfo } from './api.js';

interface Named {
  readonly name: string;
  readonly label: string;
  readonly kind: OptimizerSpec['kind'];
  readonly color: string | undefined;
}

/**
 * The experiments that have runs, those of the files in their order first. Variants look as in the figures; runs whose
 * variant no file knows come after them.
 */
export function catalogue(experiments: readonly Experiment[], runs: readonly RunInfo[]): ExperimentInfo[] {
  const withRuns = new Set(runs.map(({ experiment }) => experiment));
  const known = experiments.filter(({ name }) => withRuns.has(name));
  const others = [...withRuns].filter((name) => !known.some((experiment) => experiment.name === name));
  return [
    ...known.map((experiment) => describe(experiment.name, experiment.title, declared(experiment), runs)),
    ...others.map((name) => describe(name, name, [], runs)),
  ];
}

function declared(experiment: Experiment): Named[] {
  return variantsOf(experiment).map(({ name, label, color, optimizer }) => ({
    ...{ name, label, color },
    kind: optimizer.kind,
  }));
}

function describe(name: string, title: string, variants: readonly Named[], runs: readonly RunInfo[]): ExperimentInfo {
  const found = new Map<string, Named>();
  for (const { experiment, variant, record } of runs) {
    if (experiment !== name || variants.some((each) => each.name === variant)) continue;
    const label = record?.spec.label ?? variant;
    const kind = record?.spec.optimizer.kind ?? 'sgd';
    if (record || !found.has(variant)) found.set(variant, { name: variant, label, kind, color: undefined });
  }
  const all = [...variants, ...found.values()];
  const styles = lineStyles(all);
  const isTwin = ({ label }: Named): boolean => all.filter((each) => each.label === label).length > 1;
  return {
    name,
    title,
    variants: all.map((variant, i) => ({
      name: variant.name,
      label: isTwin(variant) ? `${variant.label} (${variant.name})` : variant.label,
      style: styles[i] ?? { color: '#000000', dash: [] },
    })),
  };
}
