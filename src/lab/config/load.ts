import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { ConfigError, messageOf } from '../../errors.js';
import { checkExperiment } from './checks.js';
import { didYouMean } from './nearest.js';
import { check, type Problem } from './problems.js';
import { experimentSchema, type Experiment } from './schema.js';
import { readSource, type Source } from './source.js';

const extensions = ['.yaml', '.yml', '.json'];

/** What lies beside the experiments for editors. */
export const schemaFile = 'schema.json';

/**
 * An experiment by the path of its file (`./mine.yaml`), by its name in the experiments folder or one of the folders in it
 * (`exp01`, `exp08-grid`), or by folder and name (`grids/exp08-grid`).
 *
 * @throws ConfigError  no such experiment (suggests the nearest), or a line for everything that is wrong with its file
 */
export function loadExperiment(
  fileOrName: string,
  { experimentsDir }: { readonly experimentsDir: string },
): Experiment {
  if (isPath(fileOrName)) return loadFile(fileOrName);
  const files = [experimentsDir, ...foldersIn(experimentsDir)].flatMap(experimentFiles);
  const placed = fileOrName.includes('/');
  const called = (file: string): string => (placed ? placeOf(file, experimentsDir) : nameOf(file));
  const [file, twin] = files.filter((candidate) => called(candidate) === fileOrName);
  if (file === undefined) {
    throw new ConfigError(`unknown experiment "${fileOrName}": ${didYouMean(fileOrName, files.map(called))}`);
  }
  if (twin !== undefined) throw new ConfigError(`two experiments are called "${fileOrName}": ${file} and ${twin}`);
  return loadNamed(file);
}

/**
 * Every experiment that lies in the folder itself, by name: what there is to reproduce.
 *
 * @throws ConfigError  as `loadExperiment`, for the first file with problems
 */
export function loadAllExperiments(dir: string): Experiment[] {
  return experimentFiles(dir).map(loadNamed);
}

/** The experiments of a folder within the experiments folder. */
export interface FurtherExperiments {
  /** `grids` */
  readonly folder: string;
  readonly experiments: readonly Experiment[];
}

/**
 * The experiments in the folders of the folder, by folder: they are run when they are named. Throws as
 * `loadAllExperiments`.
 */
export function loadFurtherExperiments(dir: string): FurtherExperiments[] {
  return foldersIn(dir).map((folder) => ({
    folder: basename(folder),
    experiments: experimentFiles(folder).map(loadNamed),
  }));
}

/** Whether this is a path (`./mine.yaml`, `mine.yaml`, `..\\mine`), not a name (`exp01`, `grids/exp08-grid`). */
function isPath(fileOrName: string): boolean {
  if (extensions.includes(extname(fileOrName)) || /^[./]|\\/.test(fileOrName)) return true;
  return fileOrName.includes('/') && existsSync(fileOrName);
}

/** In the folder the file's name is the experiment's, so that it is found by it. */
function loadNamed(file: string): Experiment {
  return loadFile(file, nameOf(file));
}

function loadFile(file: string, name?: string): Experiment {
  const source = readSource(file);
  const { data: experiment, problems } = check(experimentSchema, source.value);
  if (problems) throw failure(source, problems);
  const further = checkExperiment(experiment);
  if (further.length > 0) throw failure(source, further);
  if (name !== undefined && experiment.name !== name) {
    const message = `name: found "${experiment.name}", expected "${name}", the name of the file`;
    throw failure(source, [{ path: ['name'], at: 'value', message }]);
  }
  return experiment;
}

/** One line a problem. */
function failure(source: Source, problems: readonly Problem[]): ConfigError {
  return new ConfigError(
    problems.map(({ path, at, message }) => `${source.position(path, at)}: ${message}`).join('\n'),
  );
}

/** The experiment files of a folder, in the order of their names. */
function experimentFiles(dir: string): string[] {
  return entriesOf(dir)
    .filter((entry) => extensions.includes(extname(entry.name)) && entry.name !== schemaFile)
    .map(({ name }) => join(dir, name));
}

function foldersIn(dir: string): string[] {
  return entriesOf(dir)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(dir, name));
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new ConfigError(`${dir}: no folder of experiments: ${messageOf(error)}`, { cause: error });
  }
}

function nameOf(file: string): string {
  return basename(file, extname(file));
}

/** Folder and name as they are typed: `grids/exp08-grid`; in the experiments folder itself the name alone. */
function placeOf(file: string, experimentsDir: string): string {
  return [...relative(experimentsDir, dirname(file)).split(sep), nameOf(file)].filter(Boolean).join('/');
}
