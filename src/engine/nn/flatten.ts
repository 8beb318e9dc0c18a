import * as tf from '../tf.js';
import { type Layer, noParameter } from './layer.js';

type FlattenSaved = { readonly input: tf.Tensor };

/** y_nk = x_n,(k): every sample becomes one row, its elements in row-major order. The Jacobian only relabels. */
export class Flatten implements Layer<FlattenSaved> {
  readonly kind = 'flatten';
  readonly parameters = [];

  forward(input: tf.Tensor): { output: tf.Tensor; saved: FlattenSaved } {
    return { output: this.inputJvp({ input }, input), saved: { input } };
  }

  inputJvp({ input }: FlattenSaved, dx: tf.Tensor): tf.Tensor {
    const leading = dx.shape.slice(0, dx.rank - input.rank + 1);
    return tf.reshape(dx, [...leading, -1]);
  }

  inputVjp({ input }: FlattenSaved, dy: tf.Tensor): tf.Tensor {
    return tf.reshape(dy, [...dy.shape.slice(0, -1), ...input.shape.slice(1)]);
  }

  paramJvp(_saved: FlattenSaved, name: string): never {
    return noParameter(this.kind, name);
  }

  paramVjp(_saved: FlattenSaved, name: string): never {
    return noParameter(this.kind, name);
  }
}
