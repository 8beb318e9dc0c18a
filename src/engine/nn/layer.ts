import type { KnownByOutput } from '../fused.js';
import type { Tensor } from '../tf.js';
import type { Parameter } from './parameter.js';

/** Every kind of layer; the tables of curvature rules are checked against it by the compiler. */
export type LayerKind =
  | 'linear'
  | 'conv2d'
  | 'max-pool2d'
  | 'avg-pool2d'
  | 'zero-pad2d'
  | 'flatten'
  | 'dropout'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leaky-relu'
  | 'elu'
  | 'selu'
  | 'softplus'
  | 'log-sigmoid'
  /** An activation of the user's own. */
  | 'elementwise';

/** What a layer keeps of its forward pass for the derivatives. */
export type Saved = Readonly<Record<string, Tensor | undefined>>;

/**
 * A layer y = f(x; w) on a batch x of N samples: its parameters and first derivatives, nothing else.
 *
 * Indices: n sample, i input feature, o output feature, v vector. Products with the Jacobian are linear in their last
 * argument and take an optional leading axis V, so that many tangents go through in one call. Nothing is averaged
 * over the batch here.
 */
export interface Layer<S extends Saved = Saved> {
  readonly kind: LayerKind;
  readonly parameters: readonly Parameter[];

  /** y [N, ...] and what the derivatives at x need. */
  forward(x: Tensor): { output: Tensor; saved: S };
  /** phi(y) and the same, where that is one kernel, so that y need not be there; absent, or null: it is not. */
  forwardActivated?(x: Tensor, activation: KnownByOutput): { output: Tensor; saved: S } | null;
  /** J_x dx: [V?, N, ...in] to [V?, N, ...out]. */
  inputJvp(saved: S, dx: Tensor): Tensor;
  /** J_x^T dy: [V?, N, ...out] to [V?, N, ...in]. */
  inputVjp(saved: S, dy: Tensor): Tensor;
  /** J_w dw for the parameter `name`: [V?, ...w] to [V?, N, ...out]. */
  paramJvp(saved: S, name: string, dw: Tensor): Tensor;
  /** J_w^T dy for the parameter `name`, summed over samples: [V?, N, ...out] to [V?, ...w]. */
  paramVjp(saved: S, name: string, dy: Tensor): Tensor;
}

/**
 * A layer y_k = phi(x_k) that acts on each element alone. Its Jacobian is diag(phi'), and its second-order term
 * diag(sum_k d2y_k/dx2 g_k) is phi'' * g.
 */
export interface ElementwiseLayer<S extends Saved = Saved> extends Layer<S> {
  /** phi'(x), the shape of x. */
  derivative(saved: S): Tensor;
  /** phi''(x) * g for a gradient g with respect to the output; null where phi'' is zero (piecewise linear phi). */
  secondOrder(saved: S, g: Tensor): Tensor | null;
}

/** For layers without parameters: there is nothing to differentiate with respect to. */
export function noParameter(kind: LayerKind, name: string): never {
  throw new RangeError(`a ${kind} layer has no parameter "${name}"`);
}
