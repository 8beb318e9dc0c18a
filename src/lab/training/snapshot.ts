/** The numbers of a training, to the host and back. */
import type { Sequential } from '../../engine/nn/sequential.js';
import { behind, jointly, type Stateful } from '../../engine/optim/state.js';
import * as tf from '../../engine/tf.js';
import { RunError } from '../../errors.js';
import type { Checkpoint } from '../results/checkpoint.js';
import type { Stepper } from './step.js';

type Snapshot = Pick<Checkpoint, 'numbers' | 'arrays'>;

/** Parameters and optimiser as they are; the arrays may be the backend's own and are valid until the next step. */
export async function takeSnapshot(model: Sequential, stepper: Stepper): Promise<Snapshot> {
  const { tensors, numbers } = all(model, stepper).state();
  // Every read is under way before the first is waited for: a device is waited for once.
  const arrays = await Promise.all(
    Object.entries(tensors).map(async ([name, tensor]) => {
      const values = await tensor.data();
      if (!(values instanceof Float32Array)) throw new RunError(`${name}: ${tensor.dtype} cannot be stored`);
      return [name, { shape: tensor.shape, values }] as const;
    }),
  );
  return { numbers, arrays: Object.fromEntries(arrays) };
}

/**
 * Put a model and a fresh stepper in the state of a snapshot.
 *
 * @throws RunError  it does not fit the model
 */
export function restoreSnapshot(model: Sequential, stepper: Stepper, { numbers, arrays }: Snapshot): void {
  checkShapes(model, arrays);
  const tensors = Object.entries(arrays).map(
    ([name, { shape, values }]) => [name, tf.tensor(values, [...shape])] as const,
  );
  all(model, stepper).restore({ tensors: Object.fromEntries(tensors), numbers });
}

/**
 * Put a model alone in the state of a snapshot.
 *
 * @throws RunError  it does not fit the model
 */
export function restoreParameters(model: Sequential, arrays: Snapshot['arrays']): void {
  checkShapes(model, arrays);
  for (const [path, { shape, values }] of Object.entries(behind('parameters', arrays))) {
    model.parameters.find((each) => each.path === path)?.parameter.assign(tf.tensor(values, [...shape]));
  }
}

function checkShapes(model: Sequential, arrays: Snapshot['arrays']): void {
  const parameters = behind('parameters', arrays);
  for (const { path, parameter } of model.parameters) {
    const found = parameters[path]?.shape.join();
    if (found === parameter.shape.join()) continue;
    throw new RunError(`the checkpoint's ${path} has shape [${found}], not [${parameter.shape.join()}]: use --force`);
  }
}

function all(model: Sequential, stepper: Stepper): Stateful {
  return jointly({ parameters: parametersOf(model), optimizer: stepper });
}

function parametersOf(model: Sequential): Stateful {
  return {
    state: () => ({
      tensors: Object.fromEntries(model.parameters.map(({ path, parameter }) => [path, parameter.value])),
      numbers: {},
    }),
    restore: ({ tensors }) => {
      for (const { path, parameter } of model.parameters) parameter.assign(tensors[path]!);
    },
  };
}
