import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { withActivation } from '../lab/config/activation.js';
import { expandExperiment, seedsOf, variantsOf, type ExpandedVariant } from '../lab/config/expand.js';
import {
  type FurtherExperiments,
  loadAllExperiments,
  loadExperiment,
  loadFurtherExperiments,
} from '../lab/config/load.js';
import type { Activation, Experiment, Settings } from '../lab/config/schema.js';
import type { RunSpec } from '../lab/config/spec.js';
import { inspectRun } from '../lab/results/inspect.js';
import { specHash } from '../lab/results/spec-hash.js';
import { runDir } from '../lab/results/store.js';
import { activationOption, folders, formatTable, print, printJson } from './shared.js';

/** `hbp list`: what there is to train, and how far it is. */
export function listCommand(): Command {
  return new Command('list')
    .description('list experiments, their variants and the state of their runs')
    .argument('[experiment]', 'name or file of one experiment (default: those that `bash reproduce.sh` trains)')
    .option('--all', 'also those in the folders within the experiments folder: searches and more')
    .addOption(activationOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  hbp list\n  hbp list exp01\n  hbp list exp08-grid\n  hbp list --all\n  hbp list ./mine.yaml --json',
    )
    .action(list);
}

interface Options {
  readonly all?: true;
  readonly activation?: Activation;
  readonly json?: true;
}

function list(name: string | undefined, { all, activation, json }: Options): void {
  const experimentsDir = folders.experiments();
  const further = name === undefined ? loadFurtherExperiments(experimentsDir) : [];
  const experiments = [
    ...(name === undefined ? loadAllExperiments(experimentsDir) : [loadExperiment(name, { experimentsDir })]),
    ...(all ? further.flatMap(({ experiments }) => experiments) : []),
  ].map((experiment) => (activation ? withActivation(experiment, activation) : experiment));
  if (json) return printJson(experiments.map(describe));
  const shortly = all ? [] : further.map(formatFolder);
  print([...experiments.map(formatExperiment), ...shortly].join('\n\n'));
}

/** How many wanted runs are in which state, the common ones first. */
type States = Readonly<Record<string, number>>;

function describe(experiment: Experiment): object {
  const { name, title, description, dataset, evaluationsPerEpoch, figures } = experiment;
  const [runs, quickRuns] = [statesOf(experiment, false), statesOf(experiment, true)];
  return {
    ...{ name, title, description, dataset, evaluationsPerEpoch, figures },
    seeds: seedsOf(experiment),
    quick: { ...experiment.quick, seeds: seedsOf(experiment, true) },
    variants: variantsOf(experiment).map((variant) => ({
      ...variant,
      runs: countStates(runs(variant)),
      quickRuns: countStates(quickRuns(variant)),
    })),
  };
}

function formatExperiment(experiment: Experiment): string {
  const [runs, quickRuns] = [statesOf(experiment, false), statesOf(experiment, true)];
  const rows = variantsOf(experiment).map((variant) => [
    variant.name,
    variant.label,
    shortSettings(variant),
    formatStates(countStates(runs(variant))),
    formatStates(countStates(quickRuns(variant))),
  ]);
  const table = formatTable(['variant', 'label', 'trained with', 'runs', 'quick runs'], rows);
  return `${experiment.name}: ${experiment.title}, on ${experiment.dataset}\n${table}`;
}

/** A row an experiment: a search has too many variants to show unasked. */
function formatFolder({ folder, experiments }: FurtherExperiments): string {
  const rows = experiments.map((experiment) => {
    const variants = variantsOf(experiment);
    const runs = statesOf(experiment, false);
    return [
      experiment.name,
      experiment.title,
      experiment.dataset,
      variants.length,
      formatStates(countStates(variants.flatMap(runs))),
    ];
  });
  const table = formatTable(['experiment', 'title', 'dataset', 'variants', 'runs'], rows);
  return `${folder}, trained when named (\`hbp list NAME\` shows one)\n${table}`;
}

/** The states of a variant's wanted runs, one a seed. */
function statesOf(experiment: Experiment, quick: boolean): (variant: ExpandedVariant) => string[] {
  const specs = expandExperiment(experiment, { quick });
  return ({ name }) => specs.filter(({ variant }) => variant === name).map((spec) => stateOf(spec, quick));
}

function countStates(states: readonly string[]): States {
  return states.reduce<Record<string, number>>(
    (counts, state) => ({ ...counts, [state]: (counts[state] ?? 0) + 1 }),
    {},
  );
}

/** A done run counts as one only with the settings of the experiment file; the dataset may be a stand-in. */
function stateOf(spec: RunSpec, quick: boolean): string {
  const dir = runDir(folders.runs(quick), spec);
  if (!existsSync(dir)) return 'to do';
  const { state, record } = inspectRun(dir);
  if (state !== 'done' || record === null) return state;
  const same = specHash({ ...spec, dataset: record.spec.dataset }) === record.specHash;
  return same ? 'done' : 'done with other settings';
}

function formatStates(states: States): string {
  return Object.entries(states)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

/** `sgd, lr 0.1, momentum 0.9, batch 500, 100 epochs`; what every optimiser of a kind has by default is left out. */
function shortSettings({ optimizer, batchSize, epochs }: Settings): string {
  const { kind, ...parameters } = optimizer;
  const usual: Record<string, unknown> = {
    ...{ curvature: 'hbp', atol: 0, blocks: 1 },
    ...{ solver: 'fast', reorthogonalize: false },
  };
  const values = Object.entries(parameters).filter(([key, value]) => usual[key] !== value);
  return [kind, ...values.map(([key, value]) => `${key} ${value}`), `batch ${batchSize}`, `${epochs} epochs`].join(
    ', ',
  );
}
