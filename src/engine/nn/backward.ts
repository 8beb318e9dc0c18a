import * as tf from '../tf.js';
import { type ActivationBefore, ChosenConvolution, hasChosenKernels, prepareChosen } from './chosen-convolution.js';
import { Conv2d } from './conv2d.js';
import { ElementwiseByOutput, type OutputSaved } from './known-by-output.js';
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
   * `parametric`, where of those only layers with parameters count, as without second-order terms; `none`, as first-order
   * steps need none. What does not come back is freed as soon as it has been used.
   */
  readonly outputs?: 'all' | 'unpooled' | 'parametric' | 'none';
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
  const skipsActivations = wanted === 'parametric' || wanted === 'none';
  const isKept = (l: number): boolean => {
    if (wanted === 'parametric') return passed[l]!.layer.parameters.length > 0;
    return wanted !== 'none';
  };
  let gradient: Arrived = { dy: outputGradient };
  for (let l = model.layers.length - 1; l >= first; l--) {
    const arrived = gradient;
    const end = l;
    if (isKept(end)) outputs[end] = arrived.dy;
    const group = pooled[l];
    if (group) l -= group.length - 1;
    const before = group && skipsActivations && l > first ? activationAt(passed, l - 1) : null;
    const back = group ? throughPooled(group, arrived.dy, l > first, before) : through(passed[l]!, arrived, l > first);
    for (const [name, vjp] of Object.entries(back.parameters)) parameters[`${model.layers[l]!.path}.${name}`] = vjp;
    if (back.input) gradient = back.input;
    if (wanted === 'none') back.prepared?.dispose();
    else prepared[l] = back.prepared;
    if (before) l--;
    arrived.sums?.dispose();
    if (!isKept(end) && arrived.dy !== outputGradient) arrived.dy.dispose();
  }
  return { parameters, outputs, prepared };
}

/** A gradient with respect to a layer's output, and its sums over positions, [N, C], where they came in passing. */
interface Arrived {
  readonly dy: tf.Tensor;
  readonly sums?: tf.Tensor | undefined;
}

/** Products of a gradient with transposed Jacobians. */
interface Vjps {
  readonly parameters: Record<string, tf.Tensor>;
  readonly input: Arrived | undefined;
  readonly prepared?: tf.Tensor | undefined;
}

/** @param wantsInput  whether the product with the Jacobian in the input is wanted, too */
function through({ layer, saved }: PassedLayer, { dy, sums }: Arrived, wantsInput: boolean): Vjps {
  const vjp = (name: string): tf.Tensor =>
    name === 'bias' && sums && layer instanceof Conv2d ? tf.sum(sums, 0) : layer.paramVjp(saved, name, dy);
  return {
    parameters: Object.fromEntries(layer.parameters.map(({ name }) => [name, vjp(name)])),
    input: wantsInput ? { dy: layer.inputVjp(saved, dy) } : undefined,
  };
}

/**
 * @param dy      dL/d output of the pooling, [N, pH, pW, O]
 * @param before  an activation that the gradient shall go through, too
 */
function throughPooled(
  group: PooledConvolution,
  dy: tf.Tensor,
  wantsInput: boolean,
  before: ActivationBefore | null,
): Vjps {
  const { layer, input, pooled, placements } = group;
  const { weight, bias } = layer;
  return tf.scoped(() => {
    const [, , , channels = 0] = input.shape;
    const prepared = prepareChosen(pooled.chosen, placements, channels);
    const convolution = new ChosenConvolution(pooled.chosen, placements, channels, prepared);
    const u = maskedJvp(chosenActivation(group), dy);
    const back = (): Arrived => {
      if (!before) return { dy: convolution.convolveTransposed(u, weight.value) };
      const { dx, sums } = convolution.convolveTransposedWithSums(u, weight.value, before);
      return { dy: dx, sums };
    };
    return {
      parameters: { weight: convolution.correlate(input, u), ...(bias && { bias: tf.sum(u, [0, 1, 2]) }) },
      input: wantsInput ? back() : undefined,
      prepared: prepared ?? undefined,
    };
  });
}

/** The activation that layer l is, if it is known by its output. */
function activationAt(layers: readonly PassedLayer[], l: number): ActivationBefore | null {
  const { layer, saved } = layers[l]!;
  return layer instanceof ElementwiseByOutput ? { layer, saved: saved as OutputSaved } : null;
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
