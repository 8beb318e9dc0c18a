import type { Gradients } from '../../engine/nn/backward.js';
import type { PlacedParameter, Sequential, Trace } from '../../engine/nn/sequential.js';
import { Adam } from '../../engine/optim/adam.js';
import { Kfac } from '../../engine/optim/kfac.js';
import { Sgd } from '../../engine/optim/sgd.js';
import type { Stateful } from '../../engine/optim/state.js';
import * as tf from '../../engine/tf.js';
import type { OptimizerSpec } from '../config/schema.js';
import { type Batch, differentiate, loss, type Score, scoreOf } from './derivatives.js';
import { exactStepper, hbpStepper } from './newton-step.js';
import type { Resources, StepObserver } from './observer.js';

export type { Batch, Score } from './derivatives.js';
export type { Phase, Resources, StepObserver } from './observer.js';

/** Updates a model's parameters batch by batch; its state is the optimiser's. */
export interface Stepper extends Stateful {
  /** @returns the score of the batch before the update; the caller disposes it */
  step(batch: Batch): Promise<Score>;
  dispose(): void;
}

export function createStepper(
  model: Sequential,
  spec: OptimizerSpec,
  observer: StepObserver = {},
  resources: Resources = {},
): Stepper {
  switch (spec.kind) {
    case 'sgd':
      return firstOrderStepper(model, new Sgd(spec), observer);
    case 'adam':
      return firstOrderStepper(model, new Adam({ ...spec, betas: [spec.beta1, spec.beta2] }), observer);
    case 'kfac':
      return kfacStepper(model, spec, observer);
    case 'cg-newton':
      return spec.curvature === 'hbp'
        ? hbpStepper(model, spec, observer, resources)
        : exactStepper(model, spec, observer, resources);
  }
}

/** Forward pass without derivatives. */
export function scoreBatch(model: Sequential, { inputs, labels }: Batch): Score {
  const { output } = model.forward(inputs);
  return scoreOf(output, labels, loss.forward(output, labels).value);
}

/** An optimiser that needs gradients only. */
interface FirstOrder extends Stateful {
  update(parameters: readonly PlacedParameter[], gradients: Readonly<Record<string, tf.Tensor>>): void;
  dispose(): void;
}

function firstOrderStepper(model: Sequential, optimizer: FirstOrder, observer: StepObserver): Stepper {
  return {
    step: (batch) =>
      Promise.resolve(
        tf.scoped(() => {
          const { score, gradients } = differentiate(model, batch, observer, { outputs: 'none' });
          optimizer.update(model.parameters, gradients.parameters);
          observer.ended?.('update');
          return score;
        }),
      ),
    ...stateOf(optimizer),
    dispose: () => optimizer.dispose(),
  };
}

function stateOf(optimizer: Stateful): Stateful {
  return { state: () => optimizer.state(), restore: (state) => optimizer.restore(state) };
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
    ...stateOf(kfac),
    dispose: () => kfac.dispose(),
  };
}

/** All tensors of a forward or a backward pass. */
function tensorsOf(pass: Trace | Gradients): tf.Tensor[] {
  const inside =
    'saved' in pass
      ? [pass.output, ...pass.saved.flatMap((saved) => Object.values(saved))]
      : [...pass.outputs, ...(pass.prepared ?? [])];
  const parameters = 'parameters' in pass ? Object.values(pass.parameters) : [];
  return [...inside, ...parameters].filter((tensor) => tensor !== undefined);
}

/** Frees each of `tensors` once, but for those that belong to somebody else. */
function disposeAllBut(others: readonly tf.Tensor[], tensors: readonly tf.Tensor[]): void {
  tf.dispose([...new Set(tensors)].filter((tensor) => !others.includes(tensor)));
}
