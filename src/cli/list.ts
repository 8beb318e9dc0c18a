import { Command } from 'commander';
import { expandExperiment, seedsOf, variantsOf, type ExpandedVariant } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment } from '../lab/config/load.js';
import type { Experiment, Settings } from '../lab/config/schema.js';
import { inspectRun } from '../lab/results/inspect.js';
import { specHash } from '../lab/results/spec-hash.js';
import { runDir } from '../lab/results/store.js';
import { folders, formatTable, print, printJson } from './shared.js';

/** `hbp list`: what there is to train, and how much of it is done. */
export function listCommand(): Command {
  return new Command('list')
    .description('list experiments, their variants and how many of their runs are done')
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

interface Count {
  readonly done: number;
  readonly wanted: number;
}

function describe(experiment: Experiment): object {
  const { name, title, description, dataset, evaluationsPerEpoch, figures } = experiment;
  return {
    ...{ name, title, description, dataset, evaluationsPerEpoch, figures },
    seeds: seedsOf(experiment),
    quick: { ...experiment.quick, seeds: seedsOf(experiment, true) },
    variants: variantsOf(experiment).map((variant) => ({
      ...variant,
      runs: countDone(experiment, variant, false),
      quickRuns: countDone(experiment, variant, true),
    })),
  };
}

function formatExperiment(experiment: Experiment): string {
  const rows = variantsOf(experiment).map((variant) => [
    variant.name,
    variant.label,
    shortSettings(variant),
    formatCount(countDone(experiment, variant, false)),
    formatCount(countDone(experiment, variant, true)),
  ]);
  const table = formatTable(['variant', 'label', 'trained with', 'runs done', 'quick'], rows);
  return `${experiment.name}: ${experiment.title}, on ${experiment.dataset}\n${table}`;
}

/** Runs that are done with exactly the settings of the experiment file. */
function countDone(experiment: Experiment, { name }: ExpandedVariant, quick: boolean): Count {
  const specs = expandExperiment(experiment, { variants: [name], quick });
  const done = specs.filter((spec) => {
    const { state, record } = inspectRun(runDir(folders.runs(quick), spec));
    return state === 'done' && record?.specHash === specHash(spec);
  });
  return { done: done.length, wanted: specs.length };
}

function formatCount({ done, wanted }: Count): string {
  return `${done}/${wanted}`;
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
