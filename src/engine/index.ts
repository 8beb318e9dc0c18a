/**
 * The engine: layers with explicit derivatives, curvature by Hessian backpropagation, second-order optimisers; on any
 * TensorFlow.js backend.
 */
export {
  type Backend,
  type BackendChoice,
  backendNames,
  type BackendProbe,
  probeBackends,
  useBackend,
} from './backend/index.js';
export { hessianBackpropagation, type HbpOptions, type SecondOrder } from './curvature/hbp/index.js';
export { BlockDense, BlockKroneckerGram, BlockKroneckerMean } from './curvature/hbp/operators.js';
export { type CurvatureOperator, type KrylovSystem, plainSystem } from './curvature/operator.js';
export { type RowBlocks, splitRows } from './curvature/row-blocks.js';
export { backpropagate, type Gradients } from './nn/backward.js';
export { CrossEntropy } from './nn/cross-entropy.js';
export { Flatten } from './nn/flatten.js';
export { xavierNormalLinear } from './nn/initializers.js';
export type { ElementwiseLayer, Layer, LayerKind, Saved } from './nn/layer.js';
export { Linear } from './nn/linear.js';
export type { Loss } from './nn/loss.js';
export { type Activation, activations, chenHidden, mlp } from './nn/models.js';
export { Parameter } from './nn/parameter.js';
export { Relu } from './nn/relu.js';
export { type PlacedLayer, type PlacedParameter, Sequential, type Trace } from './nn/sequential.js';
export { Sigmoid } from './nn/sigmoid.js';
export { Tanh } from './nn/tanh.js';
export { type CgOptions, type CgReport, type CgResult, conjugateGradients } from './optim/cg.js';
export { CgNewton, type CgNewtonOptions } from './optim/cg-newton.js';
export { Sgd, type SgdOptions } from './optim/sgd.js';
export type { UniformSource } from './random.js';
