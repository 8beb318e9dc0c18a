import { join, relative } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { DataError } from '../errors.js';
import { formatSeeds } from '../lab/config/seeds.js';
import {
  exportFormatNames,
  exportFormats,
  exportRuns,
  type Exported,
  type ExportFormatName,
} from '../lab/export/index.js';
import { runsToExport } from '../lab/export/runs.js';
import { folders, formatTable, print, printJson } from './shared.js';

interface ExportFlags {
  readonly format: ExportFormatName;
  readonly original?: true;
  readonly quick?: true;
  readonly runs?: string;
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
}

const help = `
Formats:
${exportFormatNames.map((name) => `  ${name.padEnd(13)}${exportFormats[name].description}`).join('\n')}

Examples:
  hbp export --format original                      every run, to data/export/original
  hbp export --format original exp01 exp02 --out dat
  hbp export --format original --original --out dat the recorded runs that ship
  hbp export --format tensorboard --quick           then: tensorboard --logdir data/export/tensorboard`;

/** `hbp export`: runs in the formats of other programs. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write runs in the formats of other programs')
    .addArgument(new Argument('[experiments...]', 'default: all that have runs'))
    .addOption(new Option('--format <format>', 'what to write').choices(exportFormatNames).makeOptionMandatory())
    .addOption(new Option('--original', 'the recorded runs that ship in data/original').conflicts(['quick', 'runs']))
    .addOption(new Option('--quick', 'the runs made with --quick').conflicts('runs'))
    .option('--runs <dir>', 'another folder of runs')
    .option('--out <dir>', 'where to (default: data/export/<format>)')
    .option('--force', 'replace exported runs that are there')
    .option('--json', 'print JSON')
    .addHelpText('after', help)
    .action(exportAll);
}

async function exportAll(experiments: readonly string[], flags: ExportFlags): Promise<void> {
  const runs = flags.original ? folders.original() : (flags.runs ?? folders.runs(flags.quick));
  const variants = runsToExport(runs, experiments.length > 0 ? experiments : undefined);
  if (variants.length === 0) throw new DataError(`no runs to export in ${shown(runs)}: \`hbp run\` makes some`);
  const out = flags.out ?? join(folders.exports(), flags.format);
  const exported = await exportRuns(variants, exportFormats[flags.format], out, { force: flags.force });
  if (flags.json) printJson(exported);
  else printExported(exported, out);
}

function printExported(exported: readonly Exported[], out: string): void {
  const rows = exported.map(({ experiment, variant, seeds, evaluations: [least, most], folder }) => [
    `${experiment}/${variant}`,
    formatSeeds(seeds),
    least === most ? most : `${least} to ${most}`,
    relative(out, folder),
  ]);
  print(formatTable(['variant', 'seeds', 'evaluations', `in ${shown(out)}`], rows));
  const remarks = exported.flatMap(({ experiment, variant, remarks }) =>
    remarks.map((remark) => `${experiment}/${variant}: ${remark}`),
  );
  if (remarks.length > 0) print(['\nRemarks:', ...remarks].join('\n  '));
}

function shown(path: string): string {
  return relative('.', path) || '.';
}
