import type { LinearOperator, KrylovSystem } from '../curvature/operator.js';
import { plainSystemOf } from '../curvature/row-block-operator.js';
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';
import { type CgOptions, type CgReport, type CgResult, conjugateGradients } from './cg.js';
import { adaptDamping } from './levenberg-marquardt.js';
import { numberIn, type State, type Stateful } from './state.js';

/** Step length and damping, and when conjugate gradients stop. */
export interface CgNewtonOptions extends CgOptions {
  /** Learning rate, the factor of the solution d. */
  readonly lr: number;
  /** Damping, 0 to 1: the system is (alpha I + (1 - alpha) C) d = -g. */
  readonly alpha: number;
  /**
   * Coordinates of CG: the smallest that the operators offer (`fast`, if absent), or the parameters' own (`plain`). The
   * iterates are the same but for rounding.
   */
  readonly solver?: 'fast' | 'plain';
  /**
   * Let alpha follow the Levenberg-Marquardt rule (`adaptDamping`) after every step, not below `least`; absent: alpha
   * stays as it is.
   */
  readonly levenbergMarquardt?: { readonly least: number };
}

/** The loss of the batch that a step is made on. */
export interface BatchLoss {
  /** Before the step, a scalar; stays the caller's. */
  readonly value: tf.Tensor;
  /** The same at the parameters as they are when it is called, a scalar. */
  readonly recompute: () => tf.Tensor;
}

/**
 * Newton steps by conjugate gradients, block by block: for every parameter solve (alpha I + (1 - alpha) C) d = -g from
 * zero and add lr * d (arXiv 1902.01813, section 4; the systems of all parameters are solved in lockstep).
 */
export class CgNewton implements Stateful {
  readonly #options: CgNewtonOptions;
  #alpha: number;

  constructor(options: CgNewtonOptions) {
    const { alpha, levenbergMarquardt } = options;
    if (!(alpha >= 0 && alpha <= 1)) throw new RangeError(`alpha must lie in [0, 1], not ${alpha}`);
    if (levenbergMarquardt && !(levenbergMarquardt.least > 0 && levenbergMarquardt.least <= alpha)) {
      throw new RangeError(
        `Levenberg-Marquardt needs 0 < least <= alpha, not ${levenbergMarquardt.least} and ${alpha}`,
      );
    }
    this.#options = options;
    this.#alpha = alpha;
  }

  /** The damping of the next step. */
  get alpha(): number {
    return this.#alpha;
  }

  /** The damping. */
  state(): State {
    return { tensors: {}, numbers: { alpha: this.#alpha } };
  }

  restore(state: State): void {
    this.#alpha = numberIn(state, 'alpha');
  }

  /**
   * @param gradients  by place; they stay the caller's
   * @param curvature  by place, at the weights of the gradients; stays the caller's
   * @param loss       of the same batch; only Levenberg-Marquardt needs it
   * @returns how CG ended, by place, one entry a row block
   */
  async update(
    parameters: readonly PlacedParameter[],
    gradients: Readonly<Record<string, tf.Tensor>>,
    curvature: Readonly<Record<string, LinearOperator>>,
    loss?: BatchLoss,
  ): Promise<Record<string, readonly CgReport[]>> {
    const { levenbergMarquardt } = this.#options;
    if (levenbergMarquardt && !loss) throw new RangeError('Levenberg-Marquardt needs the loss of the batch');
    const blocks = parameters.map(({ path, parameter }) => ({
      path,
      value: parameter.value,
      gradient: gradients[path]!,
      operator: curvature[path]!,
    }));
    const solved = new Map<string, Solution>();
    for (const turn of inTurns(blocks)) {
      for (const solution of await this.#solve(turn)) solved.set(solution.path, solution);
      turn.forEach(({ operator }) => operator.turn?.done());
    }
    const solutions = parameters.map(({ path }) => solved.get(path)!);
    parameters.forEach(({ parameter }, i) => parameter.assign(solutions[i]!.next));
    if (levenbergMarquardt) {
      const predicted = tf.scoped(() => tf.addN(solutions.map(({ predicted }) => predicted!)));
      tf.dispose(solutions.map(({ predicted }) => predicted!));
      this.#alpha = adaptDamping(this.#alpha, await reductionRatio(predicted, loss!), levenbergMarquardt.least);
    }
    return Object.fromEntries(solutions.map(({ path, reports }) => [path, reports]));
  }

  /** Solve blocks in lockstep. */
  async #solve(blocks: readonly Block[]): Promise<Solution[]> {
    const { lr, solver, levenbergMarquardt } = this.#options;
    const systems = blocks.map((block) => tf.scoped(() => this.#system(block, solver === 'plain')));
    const results = await conjugateGradients(systems, this.#options);
    if (solver !== 'plain') await this.#solveBroken(blocks, systems, results);
    const solutions = blocks.map((block, i) => {
      const { path, value, gradient, operator } = block;
      const { x, reports } = results[i]!;
      return tf.scoped(() => ({
        path,
        reports,
        next: tf.keep(addSolution(systems[i]!, value, x, lr)),
        predicted: levenbergMarquardt
          ? tf.keep(predictedChange(gradient, operator, systems[i]!.lift(tf.mul(lr, x))))
          : null,
      }));
    });
    tf.dispose(results.map(({ x }) => x));
    systems.forEach((system) => system.dispose());
    return solutions;
  }

  /** Solve those again in the parameters' own coordinates whose own ones have lost their digits. */
  async #solveBroken(blocks: readonly Block[], systems: KrylovSystem[], results: CgResult[]): Promise<void> {
    for (const [i, { reports }] of results.entries()) {
      if (!reports.some(({ stop }) => stop === 'breakdown')) continue;
      const plain = tf.scoped(() => this.#system(blocks[i]!, true));
      const [again] = await conjugateGradients([plain], this.#options);
      results[i]!.x.dispose();
      systems[i]!.dispose();
      [results[i], systems[i]] = [again!, plain];
    }
  }

  /** (alpha I + (1 - alpha) C) x = -gradient. */
  #system({ operator, gradient }: Block, plain: boolean): KrylovSystem {
    return plain
      ? plainSystemOf(operator, tf.neg(gradient), this.#alpha)
      : operator.dampedSystem(gradient, this.#alpha, -1);
  }
}

/** A parameter with what its step is made of. */
interface Block {
  readonly path: string;
  readonly value: tf.Tensor;
  readonly gradient: tf.Tensor;
  readonly operator: LinearOperator;
}

/** How CG ended on a block, and what comes of it. */
interface Solution {
  readonly path: string;
  readonly reports: readonly CgReport[];
  /** The parameter after the step. */
  readonly next: tf.Tensor;
  /** `predictedChange`; null: not asked for. */
  readonly predicted: tf.Tensor | null;
}

/** Blocks that are solved together, in the order in which they are. */
function inTurns(blocks: readonly Block[]): Block[][] {
  const orders = [...new Set(blocks.map(({ operator }) => operator.turn?.order ?? Infinity))].sort((a, b) => b - a);
  return orders.map((order) => blocks.filter(({ operator }) => (operator.turn?.order ?? Infinity) === order));
}

/** g^T s + s^T C s / 2 for the step s: the undamped quadratic model of the loss, a scalar. */
function predictedChange(gradient: tf.Tensor, operator: LinearOperator, step: tf.Tensor): tf.Tensor {
  const slope = tf.add(gradient, tf.mul(0.5, operator.matvec(step)));
  return tf.sum(tf.mul(slope, step));
}

/** value + lr times the solution x. */
function addSolution(system: KrylovSystem, value: tf.Tensor, x: tf.Tensor, lr: number): tf.Tensor {
  return system.addTo?.(value, x, lr) ?? tf.add(value, system.lift(tf.mul(lr, x)));
}

/** Actual over predicted change of the loss; takes over `predicted`. */
async function reductionRatio(predicted: tf.Tensor, { value, recompute }: BatchLoss): Promise<number> {
  const ratio = tf.scoped(() => tf.div(tf.sub(recompute(), value), predicted));
  const [rho = NaN] = await ratio.data();
  tf.dispose([predicted, ratio]);
  return rho;
}
