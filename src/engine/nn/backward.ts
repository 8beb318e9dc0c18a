import type { Tensor } from '../tf.js';
import type { Sequential, Trace } from './sequential.js';

/** Derivatives of a scalar loss at one forward pass. */
export interface Gradients {
  /** dL/d parameter by place ("0.weight"). */
  readonly parameters: Record<string, Tensor>;
  /**
   * dL/d output of each layer, in the order of `Sequential.layers`; none before the first layer with parameters, and
   * none at all with `parametersOnly`.
   */
  readonly outputs: readonly (Tensor | undefined)[];
}

/** What backpropagation keeps. */
export interface BackpropagateOptions {
  /** Free the gradients with respect to outputs as soon as they have been used: first-order steps need no more. */
  readonly parametersOnly?: boolean;
}

/**
 * Backpropagation: from dL/d output of the network to all parameters.
 *
 * Stops at the first layer with parameters: what reaches the network's input is nobody's gradient, and for pictures
 * it is the dearest product of all.
 *
 * @param outputGradient  dL/d output, with whatever scale the loss has (1/N for a mean)
 */
export function backpropagate(
  model: Sequential,
  trace: Trace,
  outputGradient: Tensor,
  { parametersOnly = false }: BackpropagateOptions = {},
): Gradients {
  const parameters: Record<string, Tensor> = {};
  const outputs = Array<Tensor | undefined>(model.layers.length).fill(undefined);
  const first = model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
  let gradient = outputGradient;
  for (let l = model.layers.length - 1; l >= Math.max(first, 0); l--) {
    const { path, layer } = model.layers[l]!;
    const saved = trace.saved[l]!;
    if (!parametersOnly) outputs[l] = gradient;
    for (const { name } of layer.parameters) parameters[`${path}.${name}`] = layer.paramVjp(saved, name, gradient);
    const arrived = gradient;
    if (l > first) gradient = layer.inputVjp(saved, arrived);
    if (parametersOnly && arrived !== outputGradient) arrived.dispose();
  }
  return { parameters, outputs };
}
