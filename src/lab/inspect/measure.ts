/** Curvature as numbers: matrices to look at, eigenvalues and traces of blocks. */
import { setImmediate } from 'node:timers/promises';
import { principalSubmatrix } from '../../engine/curvature/entries.js';
import { hutchinsonTrace } from '../../engine/curvature/estimators/hutchinson.js';
import { eigenvalues } from '../../engine/curvature/estimators/spectrum.js';
import type { LinearOperator } from '../../engine/curvature/operator.js';
import type * as tf from '../../engine/tf.js';
import type { SecondOrder } from '../config/schema.js';
import type { Random } from '../random.js';
import { kinds, type Way, ways } from './kinds.js';
import type { Passes } from './passes.js';
import type { ChosenParameter } from './selection.js';

/** One curvature seen in one way. */
interface Seen {
  readonly way: Way;
  readonly secondOrder: SecondOrder;
}

/** A matrix over the chosen elements of the chosen parameters, in their order. */
export interface CurvatureMatrix extends Seen {
  /** Rows, columns. */
  readonly size: number;
  /** [size, size], row-major. */
  readonly entries: Float32Array;
}

/** The eigenvalues of one parameter's own block. */
export interface Spectrum extends Seen {
  readonly path: string;
  /** Descending. */
  readonly values: readonly number[];
}

/** The trace of one parameter's own block. */
export interface BlockTrace extends Seen {
  readonly path: string;
  readonly value: number;
  /** Of the estimate; 0: the trace is exact. */
  readonly standardError: number;
}

/**
 * Every curvature as a matrix: the exact one with the blocks between parameters, that of Hessian backpropagation without, for
 * it has none.
 */
export async function measureMatrices(
  passes: Passes,
  parameters: readonly ChosenParameter[],
): Promise<CurvatureMatrix[]> {
  const size = parameters.reduce((sum, { elements }) => sum + elements.length, 0);
  const matrices: CurvatureMatrix[] = [];
  for (const { secondOrder } of kinds) {
    const network = passes.network(secondOrder);
    const entries = await numbersOf(principalSubmatrix(network, positions(passes, parameters)));
    network.dispose();
    matrices.push({ way: 'exact', secondOrder, size, entries });
  }
  for (const { secondOrder } of kinds) {
    const entries = new Float32Array(size * size);
    await withBlocks(passes, 'averaged', secondOrder, async (blocks) => {
      let at = 0;
      for (const { path, elements } of parameters) {
        const block = await numbersOf(principalSubmatrix(blocks[path]!, elements));
        const width = elements.length;
        for (let row = 0; row < width; row++) {
          entries.set(block.subarray(row * width, (row + 1) * width), (at + row) * size + at);
        }
        at += width;
      }
    });
    matrices.push({ way: 'averaged', secondOrder, size, entries });
  }
  return matrices;
}

/** All eigenvalues of every parameter's block, in every way; of parameters with at most `limit` elements. */
export async function measureSpectra(
  passes: Passes,
  parameters: readonly ChosenParameter[],
  limit: number,
): Promise<Spectrum[]> {
  const small = parameters.filter(({ size }) => size <= limit);
  return measureBlocks(passes, small, async ({ path }, block, seen) => ({
    ...seen,
    path,
    values: (await eigenvalues(block)).reverse(),
  }));
}

/** Vectors of an estimate of a trace. */
const probes = 30;

/** The trace of every parameter's block, in every way; of parameters with more than `limit` elements, an estimate. */
export async function measureTraces(
  passes: Passes,
  parameters: readonly ChosenParameter[],
  limit: number,
  random: Random,
): Promise<BlockTrace[]> {
  return measureBlocks(passes, parameters, async ({ path, size }, block, seen) => {
    if (size > limit) {
      const { estimate, standardError } = await hutchinsonTrace(block, { samples: probes, random });
      return { ...seen, path, value: estimate, standardError };
    }
    const [value = NaN] = await numbersOf(block.trace());
    return { ...seen, path, value, standardError: 0 };
  });
}

async function measureBlocks<T>(
  passes: Passes,
  parameters: readonly ChosenParameter[],
  measure: (parameter: ChosenParameter, block: LinearOperator, seen: Seen) => Promise<T>,
): Promise<T[]> {
  const found: T[] = [];
  for (const way of ways) {
    for (const { secondOrder } of kinds) {
      await withBlocks(passes, way, secondOrder, async (blocks) => {
        for (const parameter of parameters) {
          found.push(await measure(parameter, blocks[parameter.path]!, { way, secondOrder }));
          await setImmediate(); // CPU backends answer at once: signals come through in between
        }
      });
    }
  }
  return found;
}

async function withBlocks(
  passes: Passes,
  way: Way,
  secondOrder: SecondOrder,
  use: (blocks: Readonly<Record<string, LinearOperator>>) => Promise<void>,
): Promise<void> {
  const blocks = passes.blocks(way, secondOrder);
  try {
    await use(blocks);
  } finally {
    for (const block of Object.values(blocks)) block.dispose();
  }
}

/** Where the chosen elements lie in the vectors of the whole network. */
function positions(passes: Passes, parameters: readonly ChosenParameter[]): number[] {
  const begins = new Map<string, number>();
  let end = 0;
  for (const { path, size } of passes.parameters) {
    begins.set(path, end);
    end += size;
  }
  return parameters.flatMap(({ path, elements }) => Array.from(elements, (element) => begins.get(path)! + element));
}

async function numbersOf(tensor: tf.Tensor): Promise<Float32Array> {
  const values = Float32Array.from(await tensor.data());
  tensor.dispose();
  return values;
}
