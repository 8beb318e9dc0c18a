/** Which run is looked at, and what of it is stored. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, DataError, messageOf } from '../../errors.js';
import { expandExperiment, type ExpandOptions } from '../config/expand.js';
import type { Experiment } from '../config/schema.js';
import { runName, type RunSpec } from '../config/spec.js';
import { checkpointsOf, readCheckpoint, type StoredCheckpoint } from '../results/checkpoint.js';
import { runDir } from '../results/store.js';

export interface Subject {
  readonly spec: RunSpec;
  /** None: only its initialisation is known. */
  readonly checkpoints: readonly StoredCheckpoint[];
  /** The folder of the run that the checkpoints are of; null: none. */
  readonly dir: string | null;
  /** What could not be used, a line each. */
  readonly notes: readonly string[];
}

/**
 * A run of the experiment: the first that has checkpoints, among the given variants and seeds; where none has, the first.
 *
 * @param root  folder of the runs
 */
export function findSubject(experiment: Experiment, root: string, options: ExpandOptions): Subject {
  const specs = expandExperiment(experiment, options);
  const notes: string[] = [];
  for (const spec of specs) {
    const found = storedIn(runDir(root, spec));
    notes.push(...found.notes);
    // Settings of the run itself: it may have been trained with other options.
    if (found.checkpoints.length > 0) return { ...found, notes, spec: found.checkpoints[0]!.spec };
  }
  return { spec: specs[0]!, checkpoints: [], dir: null, notes };
}

/**
 * The run of a checkpoint.
 *
 * @param place  a checkpoint file, a run folder, or a run below `root` as `exp01/sgd/seed0`
 * @throws DataError    there is no checkpoint that can be read
 * @throws ConfigError  it is one of another experiment
 */
export function subjectAt(place: string, experiment: Experiment, root: string): Subject {
  const path = [resolve(place), join(root, place)].find((candidate) => existsSync(candidate));
  if (path === undefined) throw new DataError(`--checkpoint: ${place} is neither a file, nor a run in ${root}`);
  const found = statSync(path).isDirectory() ? storedIn(path) : { ...oneFile(path), dir: null, notes: [] };
  const [newest] = found.checkpoints;
  if (!newest) {
    const why = found.notes[0] ?? 'it holds none: `hbp run --keep-checkpoint` leaves the last one of a done run';
    throw new DataError(`--checkpoint: no checkpoint in ${place}: ${why}`);
  }
  const { spec } = newest;
  if (spec.experiment !== experiment.name) {
    throw new ConfigError(`--checkpoint: ${place} is of ${runName(spec)}, not of ${experiment.name}`);
  }
  return { ...found, spec };
}

function storedIn(dir: string): Omit<Subject, 'spec'> {
  const checkpoints: StoredCheckpoint[] = [];
  const notes: string[] = [];
  for (const found of checkpointsOf(dir)) {
    if ('stored' in found) checkpoints.push(found.stored);
    else notes.push(`${join(dir, found.file)} is of no use: ${found.damage}`);
  }
  return { checkpoints, notes, dir };
}

function oneFile(path: string): Pick<Subject, 'checkpoints'> {
  try {
    return { checkpoints: [readCheckpoint(path)] };
  } catch (error) {
    throw error instanceof DataError ? new DataError(`--checkpoint: ${path}: ${messageOf(error)}`) : error;
  }
}
