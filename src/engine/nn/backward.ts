import * as tf from '../tf.js';
import { ChosenConvolution, hasChosenKernels, prepareChosen } from './chosen-convolution.js';
import {
  chosenActivation,
  maskedJvp,
  type PassedLayer,
  type PooledConvolution,
  pooledConvolution,
} from './pooled-convolution.js';
import type { Sequential, Trace } from './sequential.js';

/** Derivatives of a scalar loss at one forward pass. */
export interface Gradients {
  /** dL/d parameter by place ("0.weight"). */
  readonly parameters: Record<string, tf.Tensor>;
  /**
   * dL/d output of each layer, in the order of `Sequential.layers`; none before the first layer with parameters, and
   * others may be absent by `BackpropagateOptions.outputs`.
   */
  readonly outputs: readonly (tf.Tensor | undefined)[];
  /** With `unpooled`: what kernels prepared for a convolution and the max pooling behind it; `curvatureProducts` uses it, too. */
  readonly prepared?: readonly (tf.Tensor | undefined)[];
}

/** What backpropagation keeps. */
export interface BackpropagateOptions {
  /**
   * Which gradients with respect to outputs come back: `all`, the default; `unpooled`, where those between a convolution
   * and the max pooling behind it may be left out, as cells that the pooling did not choose need not be computed then;
   * `none`, as first-order steps need none: they are freed as soon as they have been used.
   */
  readonly outputs?: 'all' | 'unpooled' | 'none';
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
  outputGradient: tf.Tensor,
  { outputs: wanted = 'all' }: BackpropagateOptions = {},
): Gradients {
  const parameters: Record<string, tf.Tensor> = {};
  const outputs = Array<tf.Tensor | undefined>(model.layers.length).fill(undefined);
  const prepared = [...outputs];
  const first = Math.max(
    0,
    model.layers.findIndex(({ layer }) => layer.parameters.length > 0),
  );
  const passed = model.layers.map(({ layer }, l) => ({ layer, saved: trace.saved[l]! }));
  const pooled = wanted === 'all' ? [] : pooledByEnd(passed);
  let gradient = outputGradient;
  for (let l = model.layers.length - 1; l >= first; l--) {
    const arrived = gradient;
    if (wanted !== 'none') outputs[l] = arrived;
    const group = pooled[l];
    if (group) l -= group.length - 1;
    const back = group ? throughPooled(group, arrived, l > first) : through(passed[l]!, arrived, l > first);
    for (const [name, vjp] of Object.entries(back.parameters)) parameters[`${model.layers[l]!.path}.${name}`] = vjp;
    if (back.input) gradient = back.input;
    if (wanted !== 'none') {
      prepared[l] = back.prepared;
    } else {
      back.prepared?.dispose();
      if (arrived !== outputGradient) arrived.dispose();
    }
  }
  return { parameters, outputs, prepared };
}

/** Products of a gradient with transposed Jacobians. */
interface Vjps {
  readonly parameters: Record<string, tf.Tensor>;
  readonly input: tf.Tensor | undefined;
  readonly prepared?: tf.Tensor | undefined;
}

/** @param wantsInput  whether the product with the Jacobian in the input is wanted, too */
function through({ layer, saved }: PassedLayer, dy: tf.Tensor, wantsInput: boolean): Vjps {
  const parameters = layer.parameters.map(({ name }) => [name, layer.paramVjp(saved, name, dy)] as const);
  return { parameters: Object.fromEntries(parameters), input: wantsInput ? layer.inputVjp(saved, dy) : undefined };
}

/** @param dy  dL/d output of the pooling, [N, pH, pW, O] */
function throughPooled(group: PooledConvolution, dy: tf.Tensor, wantsInput: boolean): Vjps {
  const { layer, input, pooled, placements } = group;
  const { weight, bias } = layer;
  return tf.scoped(() => {
    const [, , , channels = 0] = input.shape;
    const prepared = prepareChosen(pooled.chosen, placements, channels);
    const convolution = new ChosenConvolution(pooled.chosen, placements, channels, prepared);
    const u = maskedJvp(chosenActivation(group), dy);
    return {
      parameters: { weight: convolution.correlate(input, u), ...(bias && { bias: tf.sum(u, [0, 1, 2]) }) },
      input: wantsInput ? convolution.convolveTransposed(u, weight.value) : undefined,
      prepared: prepared ?? undefined,
    };
  });
}

/** Those with kernels for chosen cells, at the place of their pooling. */
function pooledByEnd(layers: readonly PassedLayer[]): (PooledConvolution | undefined)[] {
  const byEnd = Array<PooledConvolution | undefined>(layers.length).fill(undefined);
  for (let l = 0; l < layers.length; l++) {
    const group = pooledConvolution(layers, l);
    if (group && hasChosenKernels(group.pooled.chosen, group.placements)) byEnd[l + group.length - 1] = group;
  }
  return byEnd;
}
