import type { Layer, Saved } from '../../nn/layer.js';
import type { Tensor } from '../../tf.js';
import type { CurvatureOperator } from '../operator.js';

/**
 * What becomes of the second-order terms of activations: `none` keeps them (Hessian), `zero` drops them (generalised
 * Gauss-Newton), `abs` and `clip` take absolute values or the positive part (positive-curvature Hessian). In HBP they
 * are first summed over the batch, then modified.
 */
export type SecondOrder = 'none' | 'zero' | 'abs' | 'clip';

export interface HbpOptions {
  readonly secondOrder: SecondOrder;
  /** Activations: J^T H J with the batch mean J of the Jacobian (true) or the batch mean of J_n^T H J_n (false). */
  readonly averageInputJacobian: boolean;
  /** Weights: outer product of the mean input (true) or mean of the inputs' outer products (false). */
  readonly averageParameterJacobian: boolean;
  /** Output rows of every layer with parameters are split into at most that many blocks. */
  readonly blocks: number;
}

/** One layer at one forward pass, with what came back to its output. */
export interface HbpContext<L extends Layer = Layer, S extends Saved = Saved> {
  readonly layer: L;
  readonly saved: S;
  /** Batch-averaged Hessian with respect to the layer's output, [o, o], o elements of one sample in row-major order. */
  readonly outputHessian: Tensor;
  /** dL/d output, [N, ...out]. */
  readonly outputGradient: Tensor;
  readonly options: HbpOptions;
}

/** How a batch-averaged Hessian passes through one kind of layer. */
export interface HbpRule {
  /** Batch-averaged Hessian with respect to the layer's input, [i, i]. */
  inputHessian(context: HbpContext): Tensor;
  /** Curvature of each parameter of the layer, by name; absent for layers without parameters. */
  parameterCurvature?(context: HbpContext): Record<string, CurvatureOperator>;
}
