import { curvatureProducts, forecastCvp, lossHessian, Planner } from '../../engine/curvature/cvp/index.js';
import { hessianBackpropagation } from '../../engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../engine/curvature/operator.js';
import { inRowBlocks } from '../../engine/curvature/row-block-operator.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import type { CgReport } from '../../engine/optim/cg.js';
import { CgNewton } from '../../engine/optim/cg-newton.js';
import { jointly, type Stateful } from '../../engine/optim/state.js';
import * as tf from '../../engine/tf.js';
import type { OptimizerSpec } from '../config/schema.js';
import { inChunks } from './chunks.js';
import { type Batch, differentiate, loss, outputsFor, type Score } from './derivatives.js';
import type { Resources, StepObserver } from './observer.js';
import type { Stepper } from './step.js';

type CgNewtonSpec = Extract<OptimizerSpec, { kind: 'cg-newton' }>;

/** What `CgNewton.update` needs. */
export interface Newton {
  readonly score: Score;
  readonly gradients: Readonly<Record<string, tf.Tensor>>;
  readonly curvature: Readonly<Record<string, LinearOperator>>;
}

function cgNewtonStepper(
  model: Sequential,
  spec: CgNewtonSpec,
  observer: StepObserver,
  { checkEvery }: Resources,
  prepare: (batch: Batch) => Newton,
  learn: (reports: Readonly<Record<string, readonly CgReport[]>>) => void = () => undefined,
  learnt: Readonly<Record<string, Stateful>> = {},
): Stepper {
  const newton = new CgNewton({ ...spec, ...(checkEvery && { checkEvery }) });
  return {
    step: async (batch) => {
      const { score, gradients, curvature } = tf.scoped(() => prepare(batch));
      observer.ended?.('curvature');
      const reports = await newton.update(model.parameters, gradients, curvature);
      observer.solved?.(reports);
      learn(reports);
      Object.values(curvature).forEach((operator) => operator.dispose());
      tf.dispose({ ...gradients });
      observer.ended?.('solve');
      return score;
    },
    ...jointly({ newton, ...learnt }),
    dispose: () => undefined,
  };
}

/** CG-Newton on Hessian backpropagation. */
export function hbpStepper(
  model: Sequential,
  spec: CgNewtonSpec,
  observer: StepObserver,
  resources: Resources,
): Stepper {
  const { secondOrder, blocks, solver } = spec;
  const { memoryLimit } = resources;
  const options = { secondOrder, blocks, ...(solver === 'plain' && { hessians: 'dense' as const }) };
  return cgNewtonStepper(model, spec, observer, resources, (batch) => {
    const { score, trace, gradients, saved } = differentiate(model, batch, observer);
    const hessian = loss.averagedHessian(saved);
    const limited = { ...options, ...(memoryLimit && { memoryLimit }) };
    const curvature = hessianBackpropagation(model, trace, gradients, hessian, limited);
    return { score, gradients: gradients.parameters, curvature };
  });
}

/** Of the memory limit, what the matrices of one block may take. */
const shareOfOneBlock = 1 / 4;

/**
 * Exact products. Where the loss Hessian's factor for the whole batch would be above the memory limit they go through the
 * network, and where that would be too they are summed over chunks of samples.
 */
export function exactStepper(
  model: Sequential,
  spec: CgNewtonSpec,
  observer: StepObserver,
  resources: Resources,
): Stepper {
  const { secondOrder, blocks, solver, route } = spec;
  const { memoryLimit = Infinity } = resources;
  const planner = new Planner({
    ...(Number.isFinite(memoryLimit) && { memoryLimit: memoryLimit * shareOfOneBlock }),
    ...(route && { route }),
  });
  const through = new Planner({ route: 'chain' });
  const prepare = (batch: Batch): Newton => {
    const { inputs, labels } = batch;
    const needs = forecastCvp(model, inputs.shape.slice(1), secondOrder);
    if (solver === 'fast' && labels.size * needs.chain > memoryLimit && labels.size > 1) {
      const size = Math.max(1, Math.floor(memoryLimit / needs.chain));
      return inChunks(model, batch, size, secondOrder, observer);
    }
    const { score, trace, gradients, saved } = differentiate(model, batch, observer, {
      outputs: outputsFor(secondOrder),
    });
    const fits = needs.factored === null || labels.size * needs.factored <= memoryLimit;
    const curvature = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), {
      secondOrder,
      products: solver,
      planner: fits ? planner : through,
    });
    return { score, gradients: gradients.parameters, curvature };
  };
  const learn = (reports: Readonly<Record<string, readonly CgReport[]>>): void => {
    planner.record(reports);
    observer.routed?.(planner.routes);
  };
  const inBlocks = (batch: Batch): Newton => {
    const newton = prepare(batch);
    return { ...newton, curvature: blocks === 1 ? newton.curvature : split(model, newton.curvature, blocks) };
  };
  return cgNewtonStepper(model, spec, observer, resources, inBlocks, learn, { planner });
}

function split(
  model: Sequential,
  curvature: Readonly<Record<string, LinearOperator>>,
  blocks: number,
): Record<string, LinearOperator> {
  return Object.fromEntries(
    model.parameters.map(({ path, parameter }) => {
      const axis = parameter.shape.length === 4 ? 3 : 0; // the output channels of a kernel come last
      return [path, inRowBlocks(curvature[path]!, blocks, axis)];
    }),
  );
}
