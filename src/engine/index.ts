/**
 * The engine: layers with explicit derivatives, curvature by Hessian backpropagation, second-order optimisers; on any
 * TensorFlow.js backend.
 */
export {
  type Backend,
  type BackendChoice,
  type BackendName,
  backendNames,
  type BackendOptions,
  backendOrder,
  type BackendProbe,
  probeBackend,
  probeBackends,
  useBackend,
} from './backend/index.js';
export {
  forecastHbp,
  hessianBackpropagation,
  type HbpForecast,
  type HbpOptions,
  type HbpStep,
  type SecondOrder,
} from './curvature/hbp/index.js';
export {
  blockDiagonal,
  denseOperator,
  diagonalOperator,
  kronecker,
  lowRank,
  scaled,
  shifted,
  submatrix,
  sumOf,
} from './curvature/algebra.js';
export {
  chunkedCurvature,
  type ChunkPass,
  curvatureProducts,
  type CvpForecast,
  type CvpOptions,
  forecastCvp,
  inputCurvature,
  lossHessian,
  networkCurvature,
  Planner,
  type PlannerOptions,
  type ProductOptions,
  type Route,
  routes,
} from './curvature/cvp/index.js';
export { principalSubmatrix } from './curvature/entries.js';
export { curvatureDiagonals } from './curvature/estimators/diagonals.js';
export { hutchinsonTrace, type TraceEstimate } from './curvature/estimators/hutchinson.js';
export { type LanczosOptions, ritzValues, type RitzValue } from './curvature/estimators/lanczos.js';
export {
  type DensityOptions,
  eigenvalues,
  extremalEigenvalues,
  type SpectralDensity,
  spectralDensity,
} from './curvature/estimators/spectrum.js';
export { BlockConvolution } from './curvature/hbp/conv-operator.js';
export { BlockDense, BlockKroneckerGram, BlockKroneckerMean } from './curvature/hbp/operators.js';
export {
  type FactorsByLayer,
  kfac,
  type KfacFactorOptions,
  kflr,
  kfra,
  kroneckerOperators,
  type KroneckerFactors,
} from './curvature/kronecker-factors/index.js';
export {
  type BlockPassage,
  type KrylovSystem,
  type LinearOperator,
  type MatrixChain,
  type MatrixStage,
  type Passage,
  plainSystem,
  type SharedProduct,
  SymmetricOperator,
} from './curvature/operator.js';
export { inRowBlocks, plainSystemOf } from './curvature/row-block-operator.js';
export { diagonalBlocks, type RowBlocks, splitRows } from './curvature/row-blocks.js';
export type { KnownByOutput } from './fused.js';
export { AvgPool2d } from './nn/avg-pool2d.js';
export { type Eigh, eigh, type SymmetricEigen } from './linalg/eigh.js';
export { backpropagate, type BackpropagateOptions, type Gradients } from './nn/backward.js';
export { Conv2d, type Conv2dOptions } from './nn/conv2d.js';
export { BceWithLogits } from './nn/bce-with-logits.js';
export { CrossEntropy } from './nn/cross-entropy.js';
export { Dropout } from './nn/dropout.js';
export { Elementwise } from './nn/elementwise.js';
export { Elu } from './nn/elu.js';
export { Flatten } from './nn/flatten.js';
export {
  type Channels,
  conv2d,
  type Fans,
  fanInUniform,
  type Initialization,
  linear,
  xavierNormal,
  xavierUniform,
} from './nn/initializers.js';
export type { ElementwiseLayer, Layer, LayerKind, Saved } from './nn/layer.js';
export { LeakyRelu } from './nn/leaky-relu.js';
export { Linear } from './nn/linear.js';
export { LogSigmoid } from './nn/log-sigmoid.js';
export type { Loss, Reduction } from './nn/loss.js';
export { MaxPool2d, type MaxPoolSaved } from './nn/max-pool2d.js';
export { type Activation, activations, c3d3, c4d3, chenHidden, mlp, type PictureTask } from './nn/models.js';
export { Mse } from './nn/mse.js';
export { Parameter } from './nn/parameter.js';
export { Relu } from './nn/relu.js';
export { Selu } from './nn/selu.js';
export { type PlacedLayer, type PlacedParameter, Sequential, type Trace } from './nn/sequential.js';
export { Sigmoid } from './nn/sigmoid.js';
export { Softplus } from './nn/softplus.js';
export { Tanh } from './nn/tanh.js';
export type { Padding, Pair, WindowOptions } from './nn/window.js';
export { ZeroPad2d } from './nn/zero-pad2d.js';
export { Adam, type AdamOptions } from './optim/adam.js';
export { type CgOptions, type CgReport, type CgResult, type CgStop, conjugateGradients } from './optim/cg.js';
export { type BatchLoss, CgNewton, type CgNewtonOptions } from './optim/cg-newton.js';
export { type EkfacOptions, Kfac, type KfacOptions, type KfacScaling } from './optim/kfac.js';
export { Sgd, type SgdOptions } from './optim/sgd.js';
export type { State, Stateful } from './optim/state.js';
export type { UniformSource } from './random.js';
export { checkSupport, type Quantity, type Support, supportOf } from './support.js';
