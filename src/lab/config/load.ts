import { readdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
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
 * An experiment by the path of its file (`./mine.yaml`) or by its name in the experiments folder (`exp01`).
 *
 * @throws ConfigError  no such experiment (suggests the nearest), or a line for everything that is wrong with its file
 */
export function loadExperiment(
  fileOrName: string,
  { experimentsDir }: { readonly experimentsDir: string },
): Experiment {
  if (/[/\\]/.test(fileOrName) || extensions.includes(extname(fileOrName))) return loadFile(fileOrName);
  const files = experimentFiles(experimentsDir);
  const file = files.find((candidate) => nameOf(candidate) === fileOrName);
  if (file === undefined) {
    throw new ConfigError(`unknown experiment "${fileOrName}": ${didYouMean(fileOrName, files.map(nameOf))}`);
  }
  return loadNamed(experimentsDir, file);
}

/**
 * Every experiment of a folder, by name.
 *
 * @throws ConfigError  as `loadExperiment`, for the first file with problems
 */
export function loadAllExperiments(dir: string): Experiment[] {
  return experimentFiles(dir).map((file) => loadNamed(dir, file));
}

/** In the folder the file's name is the experiment's, so that it is found by it. */
function loadNamed(dir: string, file: string): Experiment {
  return loadFile(join(dir, file), nameOf(file));
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

function experimentFiles(dir: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(dir);
  } catch (error) {
    throw new ConfigError(`${dir}: no folder of experiments: ${messageOf(error)}`, { cause: error });
  }
  return entries.filter((file) => extensions.includes(extname(file)) && file !== schemaFile).sort();
}

function nameOf(file: string): string {
  return basename(file, extname(file));
}
