import type { Layer, Saved } from '../../nn/layer.js';
import type { Tensor } from '../../tf.js';
import type { LinearOperator } from '../operator.js';
import type { AveragedStage } from './averaged-stage.js';
import type { HessianChain } from './chain.js';
import type { SecondOrder } from '../second-order.js';

/** What is averaged, what becomes of second-order terms, how layers are split, how much memory there is. */
export interface HbpOptions {
  /** Second-order terms of activations; `zero` (GGN) if absent. */
  readonly secondOrder: SecondOrder;
  /** Activations and max pooling: J^T H J with the batch mean J of the Jacobian (true) or the batch mean of J_n^T H J_n (false). */
  readonly averageInputJacobian: boolean;
  /**
   * Weights of linear layers: outer product of the mean input (true) or mean of the inputs' outer products (false).
   * Convolutions always take the mean unfolded input.
   */
  readonly averageParameterJacobian: boolean;
  /** Output rows of every layer with parameters are split into at most that many blocks. */
  readonly blocks: number;
  /**
   * How the Hessians at the layers' outputs come: as matrices (`dense`); as products with averaged Jacobians that form
   * no matrix (`chain`), which both averages have to be taken for; or as products wherever they are averaged (`auto`).
   */
  readonly hessians: 'auto' | 'dense' | 'chain';
  /** Bytes that the dense Hessians may take; more is an error before any work. 4 GiB if absent. */
  readonly memoryLimit: number;
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

/** The output of a layer as a place in the chain of averaged Jacobians. */
export interface ChainContext<L extends Layer = Layer, S extends Saved = Saved> extends Pick<
  HbpContext<L, S>,
  'layer' | 'saved' | 'options'
> {
  readonly chain: HessianChain;
  /** Stage at whose input the layer's output is. */
  readonly at: number;
  /** Shape of one sample there. */
  readonly outputShape: readonly number[];
}

/** Elements of one sample before and after a layer. */
export interface Sizes {
  readonly inputs: number;
  readonly outputs: number;
}

/** Numbers that a rule stores: what stays in operators, and what there is besides for a while. */
export interface Storage {
  readonly kept: number;
  readonly passing: number;
}

/**
 * How a batch-averaged Hessian passes through one kind of layer, and how many numbers that takes besides the output
 * Hessian: the forecast of memory counts them.
 */
export interface HbpRule {
  /** Batch-averaged Hessian with respect to the layer's input, [i, i]. */
  inputHessian(context: HbpContext): Tensor;
  /** Most numbers alive in `inputHessian`, the result among them. */
  workspace(sizes: Sizes, layer: Layer): number;
  /** Curvature of each parameter of the layer, by name; absent for layers without parameters. */
  parameterCurvature?(context: HbpContext): Record<string, LinearOperator>;
  parameterStorage?(layer: Layer, sizes: Sizes, blocks: number): Storage;
  /** The layer with its batch-averaged Jacobian as a stage of the chain. */
  averagedStage(context: Omit<HbpContext, 'outputHessian'>): AveragedStage;
  /** `parameterCurvature` with the output Hessian as a product. */
  averagedCurvature?(context: ChainContext): Record<string, LinearOperator>;
}
