import * as tf from '../tf.js';
import { type ElementwiseLayer, type LayerKind, noParameter, type Saved } from './layer.js';

/** The derivatives of an activation: all that differs between elementwise layers. */
export abstract class Elementwise<S extends Saved> implements ElementwiseLayer<S> {
  readonly kind: LayerKind = 'elementwise';
  readonly parameters = [];

  abstract forward(x: tf.Tensor): { output: tf.Tensor; saved: S };
  abstract derivative(saved: S): tf.Tensor;
  abstract secondOrder(saved: S, g: tf.Tensor): tf.Tensor | null;

  inputJvp(saved: S, dx: tf.Tensor): tf.Tensor {
    return tf.mul(this.derivative(saved), dx);
  }

  /** The Jacobian is diagonal, so its transpose is itself. */
  inputVjp(saved: S, dy: tf.Tensor): tf.Tensor {
    return this.inputJvp(saved, dy);
  }

  paramJvp(_saved: S, name: string): never {
    return noParameter(this.kind, name);
  }

  paramVjp(_saved: S, name: string): never {
    return noParameter(this.kind, name);
  }
}
