import { relative } from 'node:path';
import { Command, Option } from 'commander';
import { ConfigError, DataError } from '../errors.js';
import { variantsOf } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment } from '../lab/config/load.js';
import { compareExperiment, type Comparison, type SourceNote } from '../lab/results/compare.js';
import { hasRuns } from '../lab/results/compare-notes.js';
import { storeSource, type RunSource } from '../lab/results/source.js';
import { comparisonCsv } from './compare/csv.js';
import { criterion, machineText, tablesOf } from './compare/tables.js';
import { escaped, tableMarkdown, tableText } from './compare/text.js';
import { folders, print, printJson } from './shared.js';
import { originalRuns, ownRuns } from './sources.js';

const formats = ['table', 'csv', 'json', 'markdown'] as const;
type Format = (typeof formats)[number];

interface CompareFlags {
  readonly original?: true;
  readonly quick?: true;
  readonly runs?: string;
  readonly against?: string;
  readonly epoch?: number;
  readonly format: Format;
  readonly json?: true;
}

interface Sides {
  readonly theirs?: RunSource;
  readonly ours?: RunSource;
}

const help = `
Theirs are the authors' runs if imported (\`hbp data import paper\`), else the recorded ones that ship.
Both sides are compared at one epoch: the last that all seeds of both reached. Two means lie within two
standard deviations if |ours - theirs| <= 2 sqrt(s^2/n of ours + s^2/n of theirs), s being the sample
standard deviation over the n seeds of a side: twice that of the difference of the means. With one seed on
a side nothing is decided.

Examples:
  hbp compare                                    every experiment that has runs
  hbp compare exp08                              one of them
  hbp compare exp01 --epoch 10                   after ten epochs
  hbp compare exp01 --original                   the authors' or recorded runs alone
  hbp compare exp08 --runs new --against old     two folders of your own runs
  hbp compare exp08 --format csv > exp08.csv   every number in full precision`;

/** `hbp compare`: numbers of one's own runs beside those of others. */
export function compareCommand(): Command {
  return new Command('compare')
    .description(
      "compare your runs with the authors' or the recorded ones: loss, accuracy and time, variant by variant",
    )
    .argument('[experiments...]', 'names or files of experiments (default: all that have runs)')
    .addOption(new Option('--original', 'show theirs alone').conflicts(['quick', 'runs', 'against']))
    .addOption(new Option('--quick', 'compare the runs made with --quick').conflicts('runs'))
    .option('--runs <dir>', 'compare another folder of runs')
    .option('--against <dir>', 'with the runs in this folder instead of theirs')
    .option('--epoch <number>', 'compare at this epoch, of the seeds that reached it', parseEpoch)
    .addOption(new Option('--format <name>', 'what to print').choices(formats).default('table'))
    .addOption(new Option('--json', 'the same as --format json').implies({ format: 'json' }))
    .addHelpText('after', help)
    .action(compare);
}

async function compare(names: readonly string[], flags: CompareFlags): Promise<void> {
  const sides: Sides = flags.original
    ? { theirs: await originalRuns() }
    : {
        theirs: flags.against === undefined ? await originalRuns() : storeSource(flags.against, 'other runs'),
        ours: ownRuns(flags),
      };
  const experimentsDir = folders.experiments();
  const experiments =
    names.length > 0
      ? names.map((name) => loadExperiment(name, { experimentsDir }))
      : loadAllExperiments(experimentsDir);
  const variants = experiments.flatMap((experiment) =>
    variantsOf(experiment).map((variant) => ({ experiment: experiment.name, variant })),
  );
  await Promise.all([sides.theirs, sides.ours].flatMap((source) => (source ? [source.readAhead(variants)] : [])));
  const compared = experiments.map((experiment) => compareExperiment(experiment, { ...sides, epoch: flags.epoch }));
  const found = compared.filter(({ variants }) => variants.some(hasRuns));
  const missing = compared.filter((one) => !found.includes(one));
  if (found.length === 0) throw nothingToCompare(sides, names, flags);
  const without = names.length > 0 ? missing.map(({ experiment }) => experiment) : [];
  if (flags.format === 'json') printJson({ criterion: criterion.join(' '), experiments: found, without });
  else if (flags.format === 'csv') process.stdout.write(comparisonCsv(found));
  else if (flags.format === 'markdown') print(found.map((one) => markdown(one)).join('\n\n') + markdownFoot(found));
  else print([...found.map((one) => text(one, sides)), ...foot(found, without)].join('\n\n'));
}

function text(comparison: Comparison, sides: Sides): string {
  const { experiment, title, remarks } = comparison;
  const width = process.stdout.columns;
  return [
    [`${experiment}: ${title}`, ...sideLines(comparison, sides)].join('\n'),
    ...tablesOf(comparison).map((table) => tableText(table, width)),
    ...(remarks.length > 0 ? [['Remarks:', ...remarks].join('\n  ')] : []),
  ].join('\n\n');
}

/** Whose runs they are, and on which machines. */
function sideLines(comparison: Comparison, sides: Sides): string[] {
  return (['theirs', 'ours'] as const).flatMap((side) => {
    const [note, source] = [comparison[side], sides[side]];
    if (note) return [`${side}: ${sourceText(note)}`, ...machineLines(note).map((line) => `  ${line}`)];
    if (!source) return [];
    const remedy = side === 'ours' ? `, \`hbp run ${comparison.experiment}\` makes some` : '';
    return [`${side}: none, no ${source.name} of ${comparison.experiment} in ${shown(source.from)}${remedy}`];
  });
}

function sourceText({ name, from }: SourceNote): string {
  return `${name} (${shown(from)})`;
}

function machineLines({ machines }: SourceNote): string[] {
  if (machines.length === 0) return ['machine not known'];
  return machines.map((machine) => {
    const of = machines.length > 1 ? ` (${machine.variants.join('; ')})` : '';
    return `${machineText(machine)}${of}`;
  });
}

function foot(found: readonly Comparison[], without: readonly string[]): string[] {
  return [
    ...(without.length > 0 ? [`No runs on either side: ${without.join(', ')}`] : []),
    ...(found.some(({ theirs, ours }) => theirs && ours) ? [criterion.join('\n')] : []),
  ];
}

function markdown(comparison: Comparison): string {
  const { experiment, title, theirs, ours, remarks } = comparison;
  const sides = Object.entries({ theirs, ours }).flatMap(([side, note]) =>
    note ? [`- ${side}: ${escaped([note.name, ...machineLines(note)].join('; '))}`] : [],
  );
  return [
    `### ${escaped(`${experiment}: ${title}`)}`,
    sides.join('\n'),
    ...tablesOf(comparison).map(tableMarkdown),
    ...(remarks.length > 0 ? [remarks.map((remark) => `- ${escaped(remark)}`).join('\n')] : []),
  ].join('\n\n');
}

function markdownFoot(found: readonly Comparison[]): string {
  return foot(found, [])
    .map((line) => `\n\n${escaped(line)}`)
    .join('');
}

function nothingToCompare({ theirs, ours }: Sides, names: readonly string[], { epoch }: CompareFlags): DataError {
  const of = names.length > 0 ? ` of ${names.join(', ')}` : '';
  const at = epoch === undefined ? '' : ` that have an evaluation at epoch ${epoch}`;
  const places = [theirs, ours].flatMap((source) => (source ? [`${source.name} in ${shown(source.from)}`] : []));
  const run = names.length > 0 ? `hbp run ${names.join(' ')}` : 'hbp run';
  return new DataError(
    `no runs${of} to compare${at} (looked for ${places.join(' and ')}): \`${run}\` makes some, \`hbp status\` shows what there is`,
  );
}

function parseEpoch(word: string): number {
  const epoch = Number(word);
  if (!Number.isFinite(epoch) || epoch <= 0)
    throw new ConfigError(`--epoch: found "${word}", expected a positive number`);
  return epoch;
}

function shown(path: string): string {
  return relative('.', path) || '.';
}
