/** Which runs a command is about: experiments, and the options that choose among them or change them. */
import { type Command, Option } from 'commander';
import { ConfigError, DataError } from '../errors.js';
import { withActivation } from '../lab/config/activation.js';
import { expandExperiment } from '../lab/config/expand.js';
import { loadExperiment } from '../lab/config/load.js';
import type { Activation, DatasetName, Experiment } from '../lab/config/schema.js';
import { parseSeeds } from '../lab/config/seeds.js';
import { runName, type RunSpec } from '../lab/config/spec.js';
import { datasetKind, datasetNames, findDataset, missingMessage } from '../lab/datasets/index.js';
import { positiveInteger } from './arguments.js';
import { activationOption, folders } from './shared.js';

export interface PlanOptions {
  readonly variant?: string[];
  readonly seeds?: string;
  readonly epochs?: number;
  readonly quick?: true;
  readonly dataset?: DatasetName;
  readonly activation?: Activation;
  readonly dataDir?: string;
}

/** Adds the experiments and the options above. */
export function addPlanOptions(command: Command): Command {
  return command
    .argument('<experiment...>', 'names (see `hbp list`) or experiment files (./mine.yaml)')
    .option('--variant <name...>', 'only these variants')
    .option('--seeds <list>', 'seeds such as 0-9 or 0,3 (default: those of the file)')
    .option('--epochs <n>', 'number of epochs (default: that of the file)', positiveInteger)
    .option('--quick', "the file's reduced size: fewer epochs, samples and seeds, in a folder of its own")
    .addOption(new Option('--dataset <name>', 'train on another dataset').choices(datasetNames))
    .addOption(activationOption())
    .option('--data-dir <dir>', 'where datasets are (also HBP_DATA_DIR)');
}

/**
 * All runs asked for; a dataset that is not there is found out before anything starts.
 *
 * @throws ConfigError  an unknown experiment, variant or seed, or one twice
 * @throws DataError    a dataset that is not there
 */
export async function planRuns(
  names: string[],
  options: PlanOptions,
  searchDirs: readonly string[],
): Promise<RunSpec[]> {
  const seeds = options.seeds === undefined ? undefined : parseSeeds(options.seeds, '--seeds');
  const { activation } = options;
  const loaded = names.map((name) => loadExperiment(name, { experimentsDir: folders.experiments() }));
  const experiments = loaded.map((experiment) => (activation ? withActivation(experiment, activation) : experiment));
  const { variant: variants, epochs, quick } = options;
  const expanded = experiments.map((experiment) => {
    const dataset = options.dataset ?? experiment.dataset;
    return { experiment, specs: expandExperiment(experiment, { variants, seeds, epochs, quick, dataset }) };
  });
  const all = expanded.flatMap(({ specs }) => specs.map(runName));
  if (new Set(all).size < all.length) throw new ConfigError('an experiment or a seed is named twice: give each once');

  const specs: RunSpec[] = [];
  const usable = new Map<DatasetName, DatasetName>();
  for (const { experiment, specs: wanted } of expanded) {
    if (isSearch(experiment)) process.stderr.write(`${describeSearch(experiment, wanted)}\n`);
    const name = options.dataset ?? experiment.dataset;
    const dataset = usable.get(name) ?? (await usableDataset(name, searchDirs, options));
    usable.set(name, dataset);
    if (quick) process.stderr.write(`${experiment.name} at reduced size: ${describeQuick(wanted, experiment)}\n`);
    specs.push(...wanted.map((spec) => ({ ...spec, dataset })));
  }
  return specs;
}

function isSearch({ variants }: Experiment): boolean {
  return Object.values(variants).some(({ grid }) => grid);
}

/** How much is asked for: a search is large without looking it. */
function describeSearch({ name }: Experiment, specs: readonly RunSpec[]): string {
  const count = (key: 'variant' | 'seed', unit: string): string => {
    const { size } = new Set(specs.map((spec) => spec[key]));
    return `${size} ${unit}${size === 1 ? '' : 's'}`;
  };
  const runs = specs.length === 1 ? '1 run' : `${specs.length} runs`;
  return `${name}: ${runs}, ${count('variant', 'variant')} on ${count('seed', 'seed')}`;
}

function describeQuick(specs: readonly RunSpec[], { epochs, seeds }: Experiment): string {
  const [first] = specs;
  if (!first) return 'nothing to train';
  const quickSeeds = [...new Set(specs.map(({ seed }) => seed))].join(', ');
  return (
    `${first.epochs} epochs of ${first.trainSamples} training samples in batches of ${first.batchSize}, ` +
    `${first.testSamples} test samples, seed ${quickSeeds} (in full: ${epochs} epochs of all samples, seeds ${String(seeds)})`
  );
}

/** With --quick, generated pictures stand in for a dataset that is not there, and this is said. */
async function usableDataset(
  name: DatasetName,
  searchDirs: readonly string[],
  options: PlanOptions,
): Promise<DatasetName> {
  const kind = datasetKind(name);
  const found = await findDataset(name, searchDirs);
  if (kind.origin === 'generated' || found.state !== 'missing') return name;
  if (!options.quick || options.dataset || !kind.standIn) throw new DataError(missingMessage(kind, searchDirs));
  process.stderr.write(
    `${name} is not here: training on ${kind.standIn}, generated pictures, instead. The numbers are not the paper's; ` +
      `\`hbp data fetch ${name}\` gets the real ones.\n`,
  );
  return kind.standIn;
}
