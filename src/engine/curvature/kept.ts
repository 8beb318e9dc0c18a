import type { Saved } from '../nn/layer.js';
import * as tf from '../tf.js';

/** A handle of one's own on what a tensor holds (nothing is copied): it outlives the tensor and the tidy. */
export function kept(tensor: tf.Tensor): tf.Tensor {
  return tf.keep(tf.view(tensor));
}

export function keptSaved<S extends Saved>(saved: S): S {
  return Object.fromEntries(Object.entries(saved).map(([name, tensor]) => [name, tensor && kept(tensor)])) as S;
}
