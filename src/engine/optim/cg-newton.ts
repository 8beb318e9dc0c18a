import type { CurvatureOperator } from '../curvature/operator.js';
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';
import { type CgOptions, type CgReport, conjugateGradients } from './cg.js';

export interface CgNewtonOptions extends CgOptions {
  readonly lr: number;
  /** Damping, 0 to 1: the system is (alpha I + (1 - alpha) C) d = -g. */
  readonly alpha: number;
}

/**
 * Newton steps by conjugate gradients, block by block: for every parameter solve (alpha I + (1 - alpha) C) d = -g from
 * zero and add lr * d (arXiv 1902.01813, section 4; the systems of all parameters are solved in lockstep).
 */
export class CgNewton {
  constructor(private readonly options: CgNewtonOptions) {
    const { alpha } = options;
    if (!(alpha >= 0 && alpha <= 1)) throw new RangeError(`alpha must lie in [0, 1], not ${alpha}`);
  }

  /**
   * @param gradients  by place; they stay the caller's
   * @param curvature  by place, at the weights of the gradients; stays the caller's
   * @returns how CG ended, by place, one entry a row block
   */
  async update(
    parameters: readonly PlacedParameter[],
    gradients: Readonly<Record<string, tf.Tensor>>,
    curvature: Readonly<Record<string, CurvatureOperator>>,
  ): Promise<Record<string, readonly CgReport[]>> {
    const { lr, alpha } = this.options;
    const systems = parameters.map(({ path }) =>
      tf.scoped(() => curvature[path]!.dampedSystem(tf.neg(gradients[path]!), alpha)),
    );
    const results = await conjugateGradients(systems, this.options);
    const reports: Record<string, readonly CgReport[]> = {};
    parameters.forEach(({ path, parameter }, i) => {
      const { x, reports: ends } = results[i]!;
      tf.tidy(() => parameter.assign(tf.add(parameter.value, systems[i]!.lift(tf.mul(lr, x)))));
      reports[path] = ends;
      x.dispose();
      systems[i]!.dispose();
    });
    return reports;
  }
}
