import type { LinearOperator, KrylovSystem } from '../curvature/operator.js';
import { plainSystemOf } from '../curvature/row-block-operator.js';
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';
import { type CgOptions, type CgReport, type CgResult, conjugateGradients } from './cg.js';
import { adaptDamping } from './levenberg-marquardt.js';

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
export class CgNewton {
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
    const systems = parameters.map(({ path }) => tf.scoped(() => this.#system(curvature[path]!, gradients[path]!)));
    const results = await conjugateGradients(systems, this.#options);
    const predicted = levenbergMarquardt && this.#predictedChange(parameters, systems, results, gradients, curvature);
    parameters.forEach(({ parameter }, i) => {
      parameter.assign(tf.scoped(() => addSolution(systems[i]!, parameter.value, results[i]!.x, this.#options.lr)));
    });
    tf.dispose(results.map(({ x }) => x));
    systems.forEach((system) => system.dispose());
    if (predicted) {
      this.#alpha = adaptDamping(this.#alpha, await reductionRatio(predicted, loss!), levenbergMarquardt.least);
    }
    return Object.fromEntries(parameters.map(({ path }, i) => [path, results[i]!.reports]));
  }

  /** (alpha I + (1 - alpha) C) x = -gradient. */
  #system(operator: LinearOperator, gradient: tf.Tensor): KrylovSystem {
    return this.#options.solver === 'plain'
      ? plainSystemOf(operator, tf.neg(gradient), this.#alpha)
      : operator.dampedSystem(gradient, this.#alpha, -1);
  }

  /** g^T s + s^T C s / 2 for the step s, summed over the blocks: the undamped quadratic model of the loss, a scalar. */
  #predictedChange(
    parameters: readonly PlacedParameter[],
    systems: readonly KrylovSystem[],
    results: readonly CgResult[],
    gradients: Readonly<Record<string, tf.Tensor>>,
    curvature: Readonly<Record<string, LinearOperator>>,
  ): tf.Tensor {
    return tf.scoped(() => {
      const changes = parameters.map(({ path }, i) => {
        const step = systems[i]!.lift(tf.mul(this.#options.lr, results[i]!.x));
        const slope = tf.add(gradients[path]!, tf.mul(0.5, curvature[path]!.matvec(step)));
        return tf.sum(tf.mul(slope, step));
      });
      return changes.reduce((sum, change) => tf.add(sum, change));
    });
  }
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
