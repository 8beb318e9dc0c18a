import { curvatureProducts, lossHessian } from '../../engine/curvature/cvp/index.js';
import { hessianBackpropagation } from '../../engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../engine/curvature/operator.js';
import { inRowBlocks } from '../../engine/curvature/row-block-operator.js';
import { backpropagate, type BackpropagateOptions, type Gradients } from '../../engine/nn/backward.js';
import { CrossEntropy } from '../../engine/nn/cross-entropy.js';
import type { PlacedParameter, Sequential, Trace } from '../../engine/nn/sequential.js';
import { Adam } from '../../engine/optim/adam.js';
import type { CgReport } from '../../engine/optim/cg.js';
import { CgNewton } from '../../engine/optim/cg-newton.js';
import { Kfac } from '../../engine/optim/kfac.js';
import { Sgd } from '../../engine/optim/sgd.js';
import * as tf from '../../engine/tf.js';
import type { OptimizerSpec } from '../config/schema.js';

/** A batch of inputs [N, ...] and int32 class indices [N]. */
export interface Batch {
  readonly inputs: tf.Tensor;
  readonly labels: tf.Tensor;
}

/** [sum of losses, number of right predictions] of a batch. */
export type Score = tf.Tensor;

/** One update of a model's parameters on one batch. */
export interface Stepper {
  /** @returns the score of the batch before the update; the caller disposes it */
  step(batch: Batch): Promise<Score>;
  dispose(): void;
}

/**
 * The parts of a step: `curvature` makes the operators of CG-Newton, `solve` is CG with its update, `update` that of the
 * other optimisers (K-FAC's with its factors and eigendecompositions).
 */
export type Phase = 'forward' | 'backward' | 'curvature' | 'solve' | 'update';

/** Is told how a step goes on; for clocks and counters. */
export interface StepObserver {
  /** The phase has ended, as far as the calling thread sees: a GPU works on after a call returns. */
  ended?(phase: Phase): void;
  /** How CG ended, by place, one entry a row block. */
  solved?(reports: Readonly<Record<string, readonly CgReport[]>>): void;
}

const loss = new CrossEntropy();

export function createStepper(model: Sequential, spec: OptimizerSpec, observer: StepObserver = {}): Stepper {
  switch (spec.kind) {
    case 'sgd':
      return firstOrderStepper(model, new Sgd(spec), observer);
    case 'adam':
      return firstOrderStepper(model, new Adam({ ...spec, betas: [spec.beta1, spec.beta2] }), observer);
    case 'kfac':
      return kfacStepper(model, spec, observer);
    case 'cg-newton':
      return cgNewtonStepper(model, spec, observer);
  }
}

/** Forward pass without derivatives. */
export function scoreBatch(model: Sequential, { inputs, labels }: Batch): Score {
  const { output } = model.forward(inputs);
  return scoreOf(output, labels, loss.forward(output, labels).value);
}

/** An optimiser that needs gradients only. */
interface FirstOrder {
  update(parameters: readonly PlacedParameter[], gradients: Readonly<Record<string, tf.Tensor>>): void;
  dispose(): void;
}

function firstOrderStepper(model: Sequential, optimizer: FirstOrder, observer: StepObserver): Stepper {
  return {
    step: (batch) =>
      Promise.resolve(
        tf.scoped(() => {
          const { score, gradients } = differentiate(model, batch, observer, { parametersOnly: true });
          optimizer.update(model.parameters, gradients.parameters);
          observer.ended?.('update');
          return score;
        }),
      ),
    dispose: () => optimizer.dispose(),
  };
}

function kfacStepper(
  model: Sequential,
  spec: Extract<OptimizerSpec, { kind: 'kfac' }>,
  observer: StepObserver,
): Stepper {
  const kfac = new Kfac(spec);
  return {
    step: async (batch) => {
      const { score, trace, gradients } = tf.scoped(() => {
        const { score, trace, gradients } = differentiate(model, batch, observer);
        return { score, trace, gradients };
      });
      const { klSum, nu } = await kfac.update(model, trace, gradients);
      observer.ended?.('update');
      disposeAllBut([batch.inputs, score], [klSum, nu, ...tensorsOf(trace), ...tensorsOf(gradients)]);
      return score;
    },
    dispose: () => kfac.dispose(),
  };
}

function cgNewtonStepper(
  model: Sequential,
  spec: Extract<OptimizerSpec, { kind: 'cg-newton' }>,
  observer: StepObserver,
): Stepper {
  const newton = new CgNewton(spec);
  return {
    step: async (batch) => {
      const { score, gradients, curvature } = tf.scoped(() => {
        const { score, gradients, ...rest } = differentiate(model, batch, observer);
        const curvature = curvatureOf(model, { gradients, ...rest }, spec);
        observer.ended?.('curvature');
        return { score, gradients: gradients.parameters, curvature };
      });
      const reports = await newton.update(model.parameters, gradients, curvature);
      observer.solved?.(reports);
      Object.values(curvature).forEach((operator) => operator.dispose());
      tf.dispose(gradients);
      observer.ended?.('solve');
      return score;
    },
    dispose: () => undefined,
  };
}

type Derivatives = Pick<ReturnType<typeof differentiate>, 'trace' | 'gradients' | 'saved'>;

/** The curvature of every parameter, by place. */
function curvatureOf(
  model: Sequential,
  { trace, gradients, saved }: Derivatives,
  spec: Extract<OptimizerSpec, { kind: 'cg-newton' }>,
): Record<string, LinearOperator> {
  if (spec.curvature === 'hbp') {
    return hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), spec);
  }
  const products = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), spec);
  if (spec.blocks === 1) return products;
  const blocks = model.parameters.map(({ path, parameter }) => {
    const axis = parameter.shape.length === 4 ? 3 : 0; // the output channels of a kernel come last
    return [path, inRowBlocks(products[path]!, spec.blocks, axis)];
  });
  return Object.fromEntries(blocks) as Record<string, LinearOperator>;
}

function differentiate(
  model: Sequential,
  { inputs, labels }: Batch,
  observer: StepObserver,
  options: BackpropagateOptions = {},
) {
  const trace = model.forward(inputs);
  const { value, saved } = loss.forward(trace.output, labels);
  const score = scoreOf(trace.output, labels, value);
  observer.ended?.('forward');
  const gradients = backpropagate(model, trace, loss.gradient(saved), options);
  observer.ended?.('backward');
  return { trace, saved, score, gradients };
}

/** All tensors of a forward or a backward pass. */
function tensorsOf(pass: Trace | Gradients): tf.Tensor[] {
  const inside =
    'saved' in pass ? [pass.output, ...pass.saved.flatMap((saved) => Object.values(saved))] : [...pass.outputs];
  const parameters = 'parameters' in pass ? Object.values(pass.parameters) : [];
  return [...inside, ...parameters].filter((tensor) => tensor !== undefined);
}

/** Frees each of `tensors` once, but for those that belong to somebody else. */
function disposeAllBut(others: readonly tf.Tensor[], tensors: readonly tf.Tensor[]): void {
  tf.dispose([...new Set(tensors)].filter((tensor) => !others.includes(tensor)));
}

function scoreOf(output: tf.Tensor, labels: tf.Tensor, meanLoss: tf.Tensor): Score {
  const right = tf.sum(tf.cast(tf.equal(tf.argMax(output, 1), labels), 'float32'));
  return tf.stack([tf.mul(meanLoss, labels.size), right]);
}
