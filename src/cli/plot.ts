import { relative } from 'node:path';
import { Command, Option } from 'commander';
import { ConfigError, DataError } from '../errors.js';
import { withActivation } from '../lab/config/activation.js';
import { variantsOf } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment, loadFurtherExperiments } from '../lab/config/load.js';
import type { Activation, Experiment } from '../lab/config/schema.js';
import { figureFormats, type FigureFormat } from '../lab/figures/format.js';
import { type FigurePlan, planFigures, type PlannedLine, selectFigures } from '../lab/figures/plan.js';
import type { FigureSources, PlottedFigure } from '../lab/figures/index.js';
import type { Wanted } from '../lab/results/merge.js';
import { originalRuns, ownRuns } from './sources.js';
import { listParser } from './arguments.js';
import { activationOption, folders, print, printJson } from './shared.js';

interface PlotFlags {
  readonly original?: true;
  readonly overlay?: true;
  readonly quick?: true;
  readonly runs?: string;
  readonly activation?: Activation;
  readonly format: readonly FigureFormat[];
  readonly out?: string;
  readonly json?: true;
}

const examples = `
Examples:
  hbp plot                         every figure of every experiment that has runs
  hbp plot exp02                   the figures that exp02 declares, and its six metrics
  hbp plot fig4_1 exp01/test_loss  these two figures
  hbp plot fig4                    fig4_1 and fig4_2
  hbp plot --original              from the authors' runs if imported, else the recorded ones
  hbp plot --original --overlay    your runs over theirs
  hbp plot exp01 --format pdf --out paper/figures
  hbp plot fig4 --format tex       TikZ with its data, for documents that load pgfplots`;

/** `hbp plot`: figures from runs. */
export function plotCommand(): Command {
  return new Command('plot')
    .description('draw figures from runs: mean over seeds, band of one standard deviation')
    .argument('[names...]', 'experiments, experiment files or figures (default: all experiments that have runs)')
    .option('--original', "draw the authors' runs if imported (`hbp data import paper`), else the recorded ones")
    .option('--overlay', 'with --original: your runs over theirs, theirs pale')
    .addOption(new Option('--quick', 'draw the runs made with --quick').conflicts('runs'))
    .option('--runs <dir>', 'draw another folder of runs')
    .addOption(activationOption())
    .addOption(
      new Option('--format <list>', 'what to write besides the vega-lite spec; tex is TikZ (pgfplots)')
        .argParser(listParser('--format', figureFormats))
        .default(figureFormats, figureFormats.join(',')),
    )
    .option('--out <dir>', 'folder for the figures (default: fig)')
    .option('--json', 'print a JSON list of files, and what is missing')
    .addHelpText('after', examples)
    .action(plot);
}

async function plot(names: readonly string[], flags: PlotFlags): Promise<void> {
  checkSources(flags);
  const { experiments, selected } = loadSelected(names, flags.activation);
  const all = planFigures(experiments);
  const named = names.length > 0 ? selectFigures(all, selected) : undefined;
  const sources = await sourcesOf(flags, named && drawnOf(named));
  // Drawing libraries take longer to load than all else: only this command pays for them.
  const loading = import('../lab/figures/plot.js');
  const [{ plotFigures }] = await Promise.all([
    loading,
    ...[sources.source, sources.behind].map((source) => source?.readAhead(linesOf(named ?? all), loading)),
  ]);
  const plotted = await plotFigures(named ?? selectFigures(all, withRuns(experiments, sources)), {
    ...sources,
    outDir: flags.out ?? folders.figures(),
    formats: flags.format,
    ...(flags.json ? {} : { onFigure: printFigure }),
  });
  const { source, behind } = sources;
  if (flags.json) {
    printJson({
      runs: source.from,
      origin: source.name,
      ...(behind && { behind: { runs: behind.from, origin: behind.name } }),
      figures: plotted,
    });
  } else printRemarks(plotted, sources);
  if (plotted.every(({ files }) => files.length === 0)) throw nothingToDraw(sources);
}

function linesOf(plans: readonly FigurePlan[]): PlannedLine[] {
  return plans.flatMap(({ lines }) => lines);
}

function checkSources(flags: PlotFlags): void {
  if (flags.overlay && !flags.original) throw new ConfigError('--overlay draws over --original: give both');
  if (flags.original && !flags.overlay && (flags.quick || flags.runs !== undefined)) {
    throw new ConfigError('--original draws runs of its own: leave out --quick and --runs, or add --overlay');
  }
}

/** What of the runs the figures draw. */
function drawnOf(plans: readonly FigurePlan[]): Wanted {
  return {
    metrics: plans.map(({ metric }) => metric),
    wallClock: plans.some(({ x }) => x === 'wall'),
    meansOnly: plans.every(({ drawnAs }) => drawnAs === 'mean'),
  };
}

async function sourcesOf(flags: PlotFlags, wanted?: Wanted): Promise<FigureSources> {
  if (!flags.original) return { source: ownRuns(flags, wanted) };
  const originals = await originalRuns();
  return flags.overlay ? { source: ownRuns(flags, wanted), behind: originals } : { source: originals };
}

/**
 * All experiments, those of the folders in their folder and those whose files are named among them; and the names, files
 * replaced by the names of what they hold. With another activation, experiments that have it already stay themselves.
 */
function loadSelected(
  names: readonly string[],
  activation?: Activation,
): { experiments: Experiment[]; selected: string[] } {
  const experimentsDir = folders.experiments();
  const own = new Map(names.filter(isFile).map((file) => [file, loadExperiment(file, { experimentsDir })]));
  const found = [
    ...loadAllExperiments(experimentsDir),
    ...loadFurtherExperiments(experimentsDir).flatMap(({ experiments }) => experiments),
  ];
  const all = [...found.filter(({ name }) => ![...own.values()].some((x) => x.name === name)), ...own.values()];
  const drawn = new Map(all.map((each) => [each.name, activation ? withActivation(each, activation) : each]));
  return {
    experiments: [...drawn.values()],
    selected: names.map((name) => own.get(name)?.name ?? name).map((name) => drawn.get(name)?.name ?? name),
  };
}

/** `exp01/train_loss` is a figure, `./mine.yaml` a file. */
function isFile(name: string): boolean {
  return /\.(yaml|yml|json)$/.test(name);
}

function withRuns(experiments: readonly Experiment[], sources: FigureSources): string[] {
  const { source } = sources;
  const names = experiments
    .filter((experiment) =>
      variantsOf(experiment).some((variant) => source.read(experiment.name, variant).runs.length > 0),
    )
    .map(({ name }) => name);
  if (names.length === 0) throw nothingToDraw(sources);
  return names;
}

function nothingToDraw({ source }: FigureSources): DataError {
  return new DataError(
    `no runs to draw in ${shown(source.from)}: \`hbp run\` makes some, \`hbp plot --original\` draws the recorded ones`,
  );
}

function printFigure({ name, files, missing }: PlottedFigure): void {
  const [first] = files;
  if (first === undefined) return print(`${name}: not drawn, no data`);
  const stem = first.slice(0, -'vl.json'.length);
  const extensions = files.map((file) => file.slice(stem.length)).join(',');
  print(`${shown(stem)}{${extensions}}${missing.length > 0 ? `  (${missing.length} missing)` : ''}`);
}

function printRemarks(plotted: readonly PlottedFigure[], { source, behind }: FigureSources): void {
  const over = behind ? `, over ${behind.name} (${shown(behind.from)})` : '';
  print(`\ndrawn from ${source.name} (${shown(source.from)})${over}`);
  const lists = {
    'Missing, no data': plotted.flatMap(({ missing }) => missing),
    Remarks: plotted.flatMap(({ notes }) => notes),
  };
  for (const [heading, all] of Object.entries(lists)) {
    if (all.length > 0) print([`\n${heading}:`, ...new Set(all)].join('\n  '));
  }
}

function shown(path: string): string {
  return relative('.', path) || '.';
}
