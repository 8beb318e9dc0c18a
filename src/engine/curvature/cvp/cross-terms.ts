import * as tf from '../../tf.js';
import { withValues } from '../frozen-layer.js';
import type { Stage } from './linearization.js';

/**
 * The mixed second derivatives of a layer with respect to its input and its parameters, which couple the parameters of
 * different layers in the Hessian: how J_w^T g changes along dx, and J_x^T g along dw, g = dL/d output.
 *
 * A layer with parameters is affine in its input x and in its parameters w, each with the other fixed. Then J_w is
 * affine in x, and d(J_w^T g)/dx dx = J_w(dx)^T g - J_w(0)^T g; likewise J_x in w. So the layer's own products say it, at
 * other inputs and other parameters than those of the forward pass.
 */
export interface CrossTerms {
  /** d(J_w^T g)/dx dx of every parameter, in their order: [V, N, ...in] to [V, ...w] each. */
  onParameters(dx: tf.Tensor): tf.Tensor[];
  /** d(J_x^T g)/dw dw, w all parameters of the layer: [V, ...w] each to [V, N, ...in]. */
  onInput(dw: readonly tf.Tensor[]): tf.Tensor;
  /** What `onParameters` and `onInput` hold on to. */
  readonly owned: readonly tf.Tensor[];
}

/** Runs at the parameters of the forward pass, and so must the functions that it returns. */
export function crossTerms({ layer, saved, outputGradient }: Stage): CrossTerms {
  const parameterGradients = (x: tf.Tensor): tf.Tensor[] => {
    const there = layer.forward(x).saved;
    return layer.parameters.map(({ name }) => layer.paramVjp(there, name, outputGradient));
  };
  const inputGradient = (values: readonly tf.Tensor[]): tf.Tensor =>
    withValues(layer, values, () => layer.inputVjp(saved, outputGradient));
  const { parameterOffsets, inputOffset } = tf.scoped(() => ({
    parameterOffsets: parameterGradients(tf.zerosLike(layer.inputVjp(saved, outputGradient))),
    inputOffset: inputGradient(layer.parameters.map(({ value }) => tf.zerosLike(value))),
  }));
  const owned = [...parameterOffsets, inputOffset];
  owned.forEach((offset) => tf.keep(offset));
  return {
    onParameters: (dx) => {
      const byVector = tf.unstack(dx).map(parameterGradients);
      return parameterOffsets.map((offset, i) => tf.sub(tf.stack(byVector.map((gradients) => gradients[i]!)), offset));
    },
    onInput: (dw) => {
      const byParameter = dw.map((tangents) => tf.unstack(tangents));
      const vectors = byParameter[0]!.map((_, v) => inputGradient(byParameter.map((tangents) => tangents[v]!)));
      return tf.sub(tf.stack(vectors), inputOffset);
    },
    owned,
  };
}
