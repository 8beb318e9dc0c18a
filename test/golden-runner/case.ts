/** The cases of test/golden/README.md: files of the format `hbp-golden/1`, each run by the function of its kind. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../../src/errors.js';
import * as tf from '../../src/engine/tf.js';
import { type Golden, type Tolerance, toleranceOf } from '../support/golden.js';
import { runCg } from './cg.js';
import { Comparison } from './comparison.js';
import { runDirname, runMerge } from './lab.js';
import { runLayer } from './layer.js';
import { runLoss } from './loss.js';
import { runNetwork } from './network.js';
import { runTraining } from './training.js';

/** Compares all that a file expects; throws if it cannot be run at all. */
type Runner = (golden: never, comparison: Comparison) => Promise<void> | void;

const runners: Record<string, Runner> = {
  layer: runLayer,
  loss: runLoss,
  network: runNetwork,
  cg: runCg,
  training: runTraining,
  'csv-merge': runMerge,
  dirname: runDirname,
};

/** Kinds without tensors: they run once, not on every backend. */
export const labKinds: readonly string[] = ['csv-merge', 'dirname'];

type AnyGolden = Golden<never, object> & { format: string; kind: string };

/** Numbers of the lab are float64. */
const float64: Tolerance = { rtol: 1e-12, atol: 0 };

/** The kind of a file, or null if the file cannot be read that far; running it says why. */
export function kindOf(file: string): string | null {
  try {
    return read(file).kind;
  } catch {
    return null;
  }
}

/** Run one file on the current backend. What goes wrong is a failure of the case, never an exception. */
export async function runCase(file: string): Promise<Comparison> {
  let comparison = new Comparison(float64);
  tf.engine().startScope();
  try {
    const golden = read(file);
    if (!labKinds.includes(golden.kind)) comparison = new Comparison(toleranceOf(golden));
    const runner = runners[golden.kind];
    if (!runner) throw new Error(`unknown kind "${golden.kind}": one of ${Object.keys(runners).join(', ')}`);
    await runner(golden as never, comparison);
    if (comparison.compared === 0) throw new Error('the file expects nothing');
  } catch (error) {
    comparison.failures.push(messageOf(error));
  } finally {
    tf.engine().endScope();
  }
  return comparison;
}

function read(file: string): AnyGolden {
  const golden = JSON.parse(readFileSync(file, 'utf8')) as AnyGolden;
  if (golden.format !== 'hbp-golden/1') throw new Error(`format ${golden.format}, not hbp-golden/1`);
  return golden;
}
