import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { expandExperiment, seedsOf, variantsOf, type ExpandedVariant } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment } from '../lab/config/load.js';
import type { Experiment, Settings } from '../lab/config/schema.js';
import type { RunSpec } from '../lab/config/spec.js';
import { inspectRun } from '../lab/results/inspect.js';
import { specHash } from '../lab/results/spec-hash.js';
import { runDir } from '../lab/results/store.js';
import { folders, formatTable, print, printJson } from './shared.js';

/** `hbp list`: what there is to train, and how far it is. */
export function listCommand(): Command {
  return new Command('list')
    .description('list experiments, their variants and the state of their runs')
    .argument('[experiment]', 'name or file of one experiment (default: all)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  hbp list\n  hbp list exp01\n  hbp list ./mine.yaml --json')
    .action((name: string | undefined, { json }: { json?: true }) => {
      const experimentsDir = folders.experiments();
      const experiments =
        name === undefined ? loadAllExperiments(experimentsDir) : [loadExperiment(name, { experimentsDir })];
      if (json) printJson(experiments.map(describe));
      else print(experiments.map(formatExperiment).join('\n\n'));
    });
}

/** How many of a variant's wanted runs are in which state, the common ones first. */
type States = Readonly<Record<string, number>>;

function describe(experiment: Experiment): object {
  const { name, title, description, dataset, evaluationsPerEpoch, figures } = experiment;
  return {
    ...{ name, title, description, dataset, evaluationsPerEpoch, figures },
    seeds: seedsOf(experiment),
    quick: { ...experiment.quick, seeds: seedsOf(experiment, true) },
    variants: variantsOf(experiment).map((variant) => ({
      ...variant,
      runs: countStates(experiment, variant, false),
      quickRuns: countStates(experiment, variant, true),
    })),
  };
}

function formatExperiment(experiment: Experiment): string {
  const rows = variantsOf(experiment).map((variant) => [
    variant.name,
    variant.label,
    shortSettings(variant),
    formatStates(countStates(experiment, variant, false)),
    formatStates(countStates(experiment, variant, true)),
  ]);
  const table = formatTable(['variant', 'label', 'trained with', 'runs', 'quick runs'], rows);
  return `${experiment.name}: ${experiment.title}, on ${experiment.dataset}\n${table}`;
}

function countStates(experiment: Experiment, { name }: ExpandedVariant, quick: boolean): States {
  const counts: Record<string, number> = {};
  for (const spec of expandExperiment(experiment, { variants: [name], quick })) {
    const state = stateOf(spec, quick);
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
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
  const usual: Record<string, unknown> = { curvature: 'hbp', atol: 0, blocks: 1 };
  const values = Object.entries(parameters).filter(([key, value]) => usual[key] !== value);
  return [kind, ...values.map(([key, value]) => `${key} ${value}`), `batch ${batchSize}`, `${epochs} epochs`].join(
    ', ',
  );
}
