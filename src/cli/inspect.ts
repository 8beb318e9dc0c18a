import { join, relative } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseBackend } from '../engine/backend/names.js';
import { threadEnvironment } from '../engine/backend/threads.js';
import { withActivation } from '../lab/config/activation.js';
import { loadExperiment } from '../lab/config/load.js';
import type { Activation, DatasetName } from '../lab/config/schema.js';
import { runName } from '../lab/config/spec.js';
import { datasetNames, loadDataset } from '../lab/datasets/index.js';
import { type PictureFormat, pictureFormats } from '../lab/inspect/formats.js';
import type { Inspection } from '../lab/inspect/inspect.js';
import { kinds, ways } from '../lab/inspect/kinds.js';
import { findSubject, type Subject, subjectAt } from '../lab/inspect/subject.js';
import { writeCurvature } from '../lab/results/curvature.js';
import { threadsPerRun } from '../lab/training/parallelism.js';
import { backendOption, threadsOption } from './engine-options.js';
import { listParser, positiveInteger, wholeNumber } from './arguments.js';
import { activationOption, dataDirs, folders, formatTable, print, printJson, storeOf } from './shared.js';

interface Flags {
  readonly variant?: string;
  readonly seed?: number;
  readonly checkpoint?: string;
  readonly trainSteps?: number;
  readonly layers?: readonly string[];
  readonly batch?: number;
  readonly limit: number;
  readonly quick?: true;
  readonly dataset?: DatasetName;
  readonly activation?: Activation;
  readonly dataDir?: string;
  readonly backend: string;
  readonly threads: number | 'auto';
  readonly runs?: string;
  readonly format: readonly PictureFormat[];
  readonly out?: string;
  readonly json?: true;
}

/** Most rows of a matrix: eight of them take half a gigabyte then. */
const mostRows = 4096;

/** `hbp inspect`: the curvature of a run as pictures. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('draw the curvature of a run: Hessian, GGN and PCH, exact and as HBP has them; spectra; traces')
    .argument('<experiment>', 'name or file of an experiment')
    .option('--variant <name>', 'of which variant (default: the first that has a checkpoint, else the first)')
    .option('--seed <n>', 'of which seed, chosen alike', wholeNumber)
    .addOption(
      new Option('--checkpoint <file|run>', 'a checkpoint, or a run such as exp01/sgd/seed0').conflicts([
        'variant',
        'seed',
        'trainSteps',
      ]),
    )
    .option('--train-steps <n>', 'train the first n steps of the run here; 0: look at the initialisation', wholeNumber)
    .option('--layers <place...>', 'layers or parameters, such as 4 or 4.weight, or all (default: the last that fit)')
    .option('--batch <n>', 'training samples of the batch (default: the batch size of the run)', positiveInteger)
    .option('--limit <n>', `rows of the matrices, at most ${mostRows}; of more elements a sample is drawn`, limit, 1000)
    .option('--quick', "the file's reduced size, and the runs made with --quick")
    .addOption(new Option('--dataset <name>', 'batches of another dataset').choices(datasetNames))
    .addOption(activationOption())
    .option('--data-dir <dir>', 'where datasets are (also HBP_DATA_DIR)')
    .addOption(backendOption())
    .addOption(threadsOption('CPU threads; auto: all cores'))
    .option('--runs <dir>', 'folder of the runs (default: data/runs, with --quick data/runs-quick)')
    .addOption(
      new Option('--format <list>', 'what to write besides the vega-lite spec')
        .argParser(listParser('--format', pictureFormats))
        .default(pictureFormats, pictureFormats.join(',')),
    )
    .option('--out <dir>', 'folder for the figures (default: fig/inspect)')
    .option('--json', 'print what was measured, without the matrices, as JSON')
    .addHelpText(
      'after',
      `
Examples:
  hbp inspect tiny-mlp                                a network so small that all of its curvature is seen
  hbp inspect tiny-mlp --train-steps 200              the same after 200 steps, and the traces on the way
  hbp run exp01 --variant cg-ggn --seeds 0 --keep-checkpoint
  hbp inspect exp01 --variant cg-ggn                  its last layers, at the start and at the checkpoint
  hbp inspect exp08 --layers 15 17.weight --batch 100
  hbp inspect exp01 --layers 11 13 --limit 200        a sample of layers that are too large
  hbp inspect ./mine.yaml --checkpoint mine/cg/seed0

Draws blocks (heat maps, one scale of colours), spectra (eigenvalues of each parameter's block) and trace (over training,
where there is more than one moment) to <out>/<experiment>/<variant>/seed<k>. A run keeps its last checkpoint with
\`hbp run --keep-checkpoint\`, an unfinished run has one anyway; what is drawn from a run is also in its \`hbp report\`.
docs/inspect.md says how to read the figures.`,
    )
    .action(run);
}

async function run(name: string, flags: Flags): Promise<void> {
  const backend = parseBackend(flags.backend);
  const loaded = loadExperiment(name, { experimentsDir: folders.experiments() });
  const experiment = flags.activation ? withActivation(loaded, flags.activation) : loaded;
  const root = storeOf(flags);
  const subject =
    flags.checkpoint === undefined
      ? findSubject(experiment, root, choiceOf(flags))
      : subjectAt(flags.checkpoint, experiment, root);
  subject.notes.forEach(tell);
  const found = await measured(subject, flags, backend);
  // Drawing libraries take long to load: not before there is something to draw.
  const { inspectionFigures, writeInspection } = await import('../lab/inspect/figures.js');
  const { experiment: owner, variant, seed } = found.spec;
  const outDir = join(flags.out ?? join(folders.figures(), 'inspect'), owner, variant, `seed${seed}`);
  const figures = inspectionFigures(found);
  const written = await writeInspection(figures, outDir, flags.format);
  if (subject.dir !== null && flags.trainSteps === undefined) writeCurvature(subject.dir, figures);
  if (flags.json) printJson({ ...numbersOf(found), files: written.flatMap(({ files }) => files) });
  else printFound(found, written);
}

function choiceOf({ variant, seed, quick, dataset }: Flags) {
  return {
    ...(variant !== undefined && { variants: [variant] }),
    ...(seed !== undefined && { seeds: [seed] }),
    ...{ quick, dataset },
  };
}

async function measured(subject: Subject, flags: Flags, choice: ReturnType<typeof parseBackend>): Promise<Inspection> {
  const threads = threadsPerRun({ jobs: 1, threads: flags.threads }, 1);
  Object.assign(process.env, threadEnvironment(threads)); // before a library that reads it is loaded
  const { useBackend } = await import('../engine/backend/index.js');
  const { name, description } = await useBackend(choice, { threads });
  const spec = flags.dataset === undefined ? subject.spec : { ...subject.spec, dataset: flags.dataset };
  tell(`${runName(spec)} on ${name} (${description})`);
  const { trainSamples, testSamples } = spec;
  const dataset = await loadDataset(spec.dataset, { dataDirs: dataDirs(flags.dataDir), trainSamples, testSamples });
  const checkpoints = flags.trainSteps === undefined ? subject.checkpoints : [];
  if (checkpoints.some(({ environment }) => environment.dataset.fingerprint !== dataset.fingerprint)) {
    tell(`the run was trained on other data than ${dataset.name} from ${dataset.source}: batches are of these`);
  }
  const { inspect } = await import('../lab/inspect/inspect.js');
  return inspect(spec, dataset, {
    checkpoints: checkpoints.map(({ state }) => state),
    ...{ trainSteps: flags.trainSteps, layers: flags.layers ?? null, batch: flags.batch, limit: flags.limit },
    onProgress: tell,
  });
}

function numbersOf({ spec, dataset, batch, loss, parameters, parametersInAll, moments, spectra }: Inspection) {
  return {
    ...{ run: runName(spec), dataset, batch, loss, parametersInAll },
    parameters: parameters.map(({ path, size, elements }) => ({ path, size, drawn: elements.length })),
    ...{ moments, spectra },
  };
}

function printFound(found: Inspection, written: readonly { readonly files: readonly string[] }[]): void {
  const columns = ways.flatMap((way) => kinds.map((kind) => ({ way, ...kind })));
  const head = columns.map(({ way, label }) => `${way === 'exact' ? '' : 'HBP '}${label}`);
  print('Traces of the blocks, and the least eigenvalue of the Hessian:');
  print(formatTable(['parameter', 'elements', 'drawn', ...head, 'least'], rowsOf(found, columns)));
  for (const remark of remarksOn(found)) print(remark);
  for (const { files } of written) {
    const [spec = ''] = files;
    const stem = spec.slice(0, -'vl.json'.length);
    print(`${relative('.', stem)}{${files.map((file) => file.slice(stem.length)).join(',')}}`);
  }
}

type Seen = Pick<Inspection['spectra'][number], 'way' | 'secondOrder'>;

/** A row a parameter. */
function rowsOf({ parameters, moments, spectra }: Inspection, columns: readonly Seen[]): (string | number)[][] {
  const { traces } = moments.at(-1)!;
  const digits = (value: number | undefined): string => (value === undefined ? '' : value.toPrecision(3));
  const of = <T extends Seen & { readonly path: string }>(all: readonly T[], path: string, seen: Seen): T | undefined =>
    all.find((each) => each.path === path && each.way === seen.way && each.secondOrder === seen.secondOrder);
  const hessian = { way: 'exact', secondOrder: 'none' } as const;
  return parameters.map(({ path, size, elements }) => [
    ...[path, size, elements.length],
    ...columns.map((column) => digits(of(traces, path, column)?.value)),
    digits(of(spectra, path, hessian)?.values.at(-1)),
  ]);
}

function remarksOn({ parameters, parametersInAll, moments, limit }: Inspection): string[] {
  const large = parameters.filter(({ size }) => size > limit).map(({ path }) => path);
  const left = parametersInAll - parameters.reduce((sum, { size }) => sum + size, 0);
  return [
    ...(left > 0 ? [`${left} other parameters were left out: --layers names layers, --layers all takes all`] : []),
    ...(large.length > 0
      ? [`${large.join(', ')}: more than ${limit} elements, so traces are estimates and there is no spectrum (--limit)`]
      : []),
    ...(moments.length === 1 ? ['one moment only, so no trace over training: --train-steps n trains n steps'] : []),
  ];
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

function limit(text: string): number {
  const value = positiveInteger(text);
  if (value > mostRows) throw new InvalidArgumentError(`At most ${mostRows} are possible.`);
  return value;
}
