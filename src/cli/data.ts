import { SingleBar } from 'cli-progress';
import { Argument, Command, Option } from 'commander';
import { existsSync } from 'node:fs';
import { ConfigError, DataError, RunError } from '../errors.js';
import { paperName } from '../lab/archive/home.js';
import {
  fetchPaper,
  importPaper,
  looksLikePaper,
  paperStatus,
  verifyPaper,
  type InstalledPaper,
  type VerifiedPaper,
} from '../lab/archive/paper.js';
import type { Survey } from '../lab/archive/survey.js';
import { didYouMean } from '../lab/config/nearest.js';
import type { DatasetName } from '../lab/config/schema.js';
import type { DownloadProgress } from '../lab/datasets/download.js';
import { fetchDataset } from '../lab/datasets/fetch.js';
import { findSources, importDataset } from '../lab/datasets/import.js';
import { datasetNames, storedKinds } from '../lab/datasets/index.js';
import type { Installed } from '../lab/datasets/install.js';
import { type DatasetStatus, statusOf, type Verified, verifyDataset } from '../lab/datasets/verify.js';
import * as paper from './data/paper.js';
import { dataDirs, folders, formatTable, print, printJson } from './shared.js';

/** A dataset, or the authors' logged runs. */
type Name = DatasetName | typeof paperName;
const names: readonly Name[] = [...datasetNames, paperName];
const importable: readonly Name[] = [...storedKinds.map(({ name }) => name), paperName];

interface DataOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

interface PlaceOptions extends DataOptions {
  readonly force?: boolean;
  readonly from?: string;
  readonly as?: Name;
}

/** `hbp data`: where the datasets are, and how they get there. */
export function dataCommand(): Command {
  return new Command('data')
    .description("find, download, import and check the datasets and the authors' logged runs")
    .addHelpText(
      'after',
      '\nExamples:\n  hbp data status\n  hbp data fetch cifar10\n  hbp data fetch paper' +
        '\n  hbp data import ~/cifar-10-binary.tar.gz',
    )
    .addCommand(statusCommand())
    .addCommand(fetchCommand())
    .addCommand(importCommand())
    .addCommand(verifyCommand());
}

function subcommand(name: string, description: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option('--data-dir <dir>', 'folder of datasets (default: data/datasets)').env('HBP_DATA_DIR'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`);
}

/** Where to put: the folder that was named, else the default one; an empty HBP_DATA_DIR names none. */
function targetDir({ dataDir }: DataOptions): string {
  return dataDir === undefined || dataDir === '' ? folders.datasets() : dataDir;
}

function statusCommand(): Command {
  return subcommand('status', 'say which datasets are there', ['hbp data status', 'hbp data status --json']).action(
    async (options: DataOptions) => {
      const dirs = dataDirs(options.dataDir);
      const all = await Promise.all(datasetNames.map((name) => statusOf(name, dirs)));
      const runs = await paperStatus(dirs);
      if (options.json) return printJson([...all, runs]);
      const rows = [...all.map(statusRow), paper.statusRow(runs)];
      print(formatTable(['dataset', 'state', 'official', 'where'], rows));
    },
  );
}

function statusRow(status: DatasetStatus): string[] {
  const official = status.official ? 'yes' : 'not known';
  switch (status.state) {
    case 'generated':
      return [status.name, 'generated when asked for', '-', '-'];
    case 'complete':
      return [status.name, 'complete', official, status.folder];
    case 'broken':
      return [status.name, 'broken', '-', status.reason];
    case 'missing':
      return [status.name, `not here (hbp data fetch ${status.name})`, '-', '-'];
  }
}

function fetchCommand(): Command {
  return subcommand('fetch', 'download a dataset from its official source, going on where an earlier try stopped', [
    'hbp data fetch cifar10',
    'hbp data fetch mnist --data-dir ~/datasets',
    'hbp data fetch cifar10 --from https://mirror.example.org/cifar',
    'hbp data fetch synthetic-cifar10   # written in the binary format of CIFAR-10, for other programs',
    "hbp data fetch paper               # the authors' logged runs, to draw and compare; checked by git's id of dat.zip",
  ])
    .addArgument(new Argument('<dataset>').choices(names))
    .option('--from <url>', 'take the files from below this URL instead; the checksums stay')
    .option('--force', 'replace what is there')
    .action(async (name: Name, options: PlaceOptions) => {
      const progress = showProgress();
      try {
        await interruptible('what came so far is kept, run again to go on', async (signal) => {
          const { force, from } = options;
          const how = { force, from, signal, onProgress: progress.update };
          if (name === paperName) {
            const installed = await fetchPaper(targetDir(options), how);
            progress.stop();
            return reportPaper(installed, options);
          }
          const installed = await fetchDataset(name, targetDir(options), how);
          progress.stop();
          reportInstalled([{ name, ...installed }], options);
        });
      } finally {
        progress.stop();
      }
    });
}

function importCommand(): Command {
  return subcommand('import', 'take datasets from a folder or archive on this machine, checked in full first', [
    'hbp data import ~/Downloads/cifar-10-binary.tar.gz',
    'hbp data import /datasets/cifar-10-batches-bin',
    'hbp data import /datasets --as mnist',
    "hbp data import paper ~/Downloads/dat.zip   # the authors' logged runs",
    'hbp data import paper ~/hbp/dat             # the same, unpacked',
  ])
    .argument('<what>', 'an official archive, the extracted folder, or a folder with either; or the name of a dataset')
    .argument('[path]', 'where it is, if its name goes first')
    .addOption(new Option('--as <dataset>', 'take this one only').choices(importable))
    .option('--force', 'replace what is there')
    .action(async (first: string, second: string | undefined, options: PlaceOptions) => {
      const { path, as } = whatToImport(first, second, options.as);
      if (as === paperName || (as === undefined && (await looksLikePaper(path)))) return importRuns(path, options);
      return importDatasets(path, as, options);
    });
}

/** `PATH`, or `NAME PATH`. @throws ConfigError */
function whatToImport(
  first: string,
  second: string | undefined,
  as: Name | undefined,
): { path: string; as: Name | undefined } {
  const name = importable.find((each) => each === first);
  if (second === undefined) {
    if (name !== undefined && !existsSync(first)) throw new ConfigError(`where is it? hbp data import ${name} <path>`);
    return { path: first, as };
  }
  if (name === undefined) throw new ConfigError(`found "${first}" before a path, ${didYouMean(first, importable)}`);
  if (as !== undefined && as !== name) throw new ConfigError(`${name} cannot be imported --as ${as}: name one of them`);
  return { path: second, as: name };
}

async function importRuns(path: string, options: PlaceOptions): Promise<void> {
  const installed = await interruptible('nothing was left behind', (signal) =>
    importPaper(path, targetDir(options), { force: options.force, signal }),
  );
  reportPaper(installed, options);
}

async function importDatasets(path: string, as: DatasetName | undefined, options: PlaceOptions): Promise<void> {
  const sources = await findSources(path, as);
  const installed: (Installed & { name: DatasetName })[] = [];
  const problems: string[] = [];
  await interruptible('nothing was left behind', async (signal) => {
    for (const source of sources) {
      try {
        const result = await importDataset(source, targetDir(options), { force: options.force, signal });
        installed.push({ name: source.kind.name, ...result });
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        problems.push(`${source.kind.name} was not imported: ${error.message}`);
      }
    }
  });
  // A folder of several datasets may hold one in part; that only matters if nothing else was found.
  if (installed.length === 0) throw new DataError(problems.join('; '));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  reportInstalled(installed, options);
}

function verifyCommand(): Command {
  return subcommand('verify', 'read datasets in full and check sizes, labels and checksums', [
    'hbp data verify',
    'hbp data verify cifar10 --data-dir ~/datasets',
    'hbp data verify paper',
  ])
    .addArgument(new Argument('[dataset]', 'default: all that are there').choices(names))
    .action(async (name: Name | undefined, options: DataOptions) => {
      const dirs = dataDirs(options.dataDir);
      const results: (Verified | (VerifiedPaper & Survey))[] = [];
      const problems: string[] = [];
      for (const each of name === undefined ? await presentNames(dirs) : [name]) {
        try {
          results.push(each === paperName ? await verifyRuns(dirs) : await verifyDataset(each, dirs));
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
          problems.push(error.message);
        }
      }
      if (options.json) printJson(results);
      else for (const result of results) printVerified(result);
      if (problems.length > 0) throw new DataError(problems.join('; '));
    });
}

async function presentNames(dirs: readonly string[]): Promise<Name[]> {
  const all = await Promise.all(datasetNames.map((name) => statusOf(name, dirs)));
  return [...all, await paperStatus(dirs)].filter(({ state }) => state !== 'missing').map(({ name }) => name);
}

async function verifyRuns(dirs: readonly string[]): Promise<VerifiedPaper & Survey> {
  const verified = await verifyPaper(dirs);
  return { ...verified, ...paper.surveyed(verified.folder) };
}

function printVerified(result: Verified | (VerifiedPaper & Survey)): void {
  if (result.name !== paperName) return print(describeVerified(result));
  print(paper.describeVerified(result, result));
  paper.printSurveyRemarks(result);
}

function describeVerified({ name, folder, samples, fingerprint, official }: Verified): string {
  const where = folder ?? 'generated';
  const checked = official ? 'official' : 'well-formed, not known to be official';
  return `${name}: ${checked}, ${samples.train} + ${samples.test} samples, ${fingerprint}, ${where}`;
}

function reportInstalled(installed: readonly (Installed & { name: DatasetName })[], options: DataOptions): void {
  if (options.json) return printJson(installed);
  for (const { name, folder, official, fingerprint } of installed) {
    print(`${name}: in ${folder}, ${official ? 'official' : 'well-formed, not known to be official'}, ${fingerprint}`);
  }
}

function reportPaper(installed: InstalledPaper, { json }: DataOptions): void {
  const survey = paper.surveyed(installed.folder);
  if (json) printJson([{ name: paperName, ...installed, ...survey }]);
  else paper.printInstalled(installed, survey);
}

/** Runs an action that Ctrl-C ends in good order; a second Ctrl-C kills. */
async function interruptible<T>(consequence: string, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new RunError(`interrupted: ${consequence}`));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await action(controller.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Downloads on stderr: a bar on a terminal, a line at every tenth elsewhere. */
function showProgress(): { update: (progress: DownloadProgress) => void; stop: () => void } {
  return process.stderr.isTTY ? barProgress() : lineProgress();
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function barProgress(): ReturnType<typeof showProgress> {
  const bar = new SingleBar({
    stream: process.stderr,
    format: '{file} [{bar}] {percentage}% {megabytes} MB, {eta_formatted} left',
  });
  let current: string | undefined;
  return {
    update: ({ file, received, total }) => {
      const shown = { file, megabytes: megabytes(received) };
      if (file !== current) bar.start(total ?? received, received, shown);
      current = file;
      bar.setTotal(Math.max(total ?? 0, received, 1));
      bar.update(received, shown);
    },
    stop: () => bar.stop(),
  };
}

function lineProgress(): ReturnType<typeof showProgress> {
  let last = '';
  return {
    update: ({ file, received, total }) => {
      const tenth = total === undefined ? Math.floor(received / 1e7) : Math.floor((10 * received) / total);
      if (last === `${file} ${tenth}`) return;
      last = `${file} ${tenth}`;
      process.stderr.write(`${file}: ${megabytes(received)} of ${total === undefined ? '?' : megabytes(total)} MB\n`);
    },
    stop: () => undefined,
  };
}
