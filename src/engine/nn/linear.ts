import * as tf from '../tf.js';
import { type Layer, noParameter } from './layer.js';
import { Parameter } from './parameter.js';

type LinearSaved = { readonly input: tf.Tensor };

/**
 * y_no = sum_i x_ni W_oi + b_o with weight W [out, in] and optional bias b [out].
 *
 * J_x dx = dx W^T, J_W dW = x dW^T, J_b db = db in every row; the transposes are dy W, dy^T x and sum_n dy.
 */
export class Linear implements Layer<LinearSaved> {
  readonly kind = 'linear';
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  /** @param weight [out, in] and @param bias [out] or null; both are taken over. */
  constructor(weight: tf.Tensor, bias: tf.Tensor | null) {
    const [out] = weight.shape;
    if (weight.rank !== 2) throw new RangeError(`a linear weight is [out, in], not [${weight.shape.join(', ')}]`);
    if (bias && (bias.rank !== 1 || bias.shape[0] !== out)) {
      throw new RangeError(`the bias of a linear layer with ${out} outputs cannot be [${bias.shape.join(', ')}]`);
    }
    this.weight = new Parameter('weight', weight);
    this.bias = bias && new Parameter('bias', bias);
  }

  /** The weight [out, in], then the bias [out] if there is one. */
  get parameters(): Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  forward(input: tf.Tensor): { output: tf.Tensor; saved: LinearSaved } {
    const product = this.inputJvp({ input }, input);
    return { output: this.bias ? tf.add(product, this.bias.value) : product, saved: { input } };
  }

  inputJvp(_saved: LinearSaved, dx: tf.Tensor): tf.Tensor {
    return onRows(dx, (rows) => tf.matMul(rows, this.weight.value, false, true));
  }

  inputVjp(_saved: LinearSaved, dy: tf.Tensor): tf.Tensor {
    return onRows(dy, (rows) => tf.matMul(rows, this.weight.value));
  }

  paramJvp({ input }: LinearSaved, name: string, dw: tf.Tensor): tf.Tensor {
    const [samples = 0] = input.shape;
    if (name === 'bias' && this.bias) {
      return tf.tile(tf.expandDims(dw, -2), [...Array<number>(dw.rank - 1).fill(1), samples, 1]);
    }
    if (name !== 'weight') return noParameter(this.kind, name);
    if (dw.rank === 2) return tf.matMul(input, dw, false, true);
    // All vectors in one product: [N, i] times [i, V o], then V to the front.
    const [vectors = 0, out = 0, fanIn = 0] = dw.shape;
    const rows = tf.matMul(input, tf.reshape(dw, [vectors * out, fanIn]), false, true);
    return tf.transpose(tf.reshape(rows, [samples, vectors, out]), [1, 0, 2]);
  }

  paramVjp({ input }: LinearSaved, name: string, dy: tf.Tensor): tf.Tensor {
    if (name === 'bias' && this.bias) return tf.sum(dy, -2);
    if (name !== 'weight') return noParameter(this.kind, name);
    if (dy.rank === 2) return tf.matMul(dy, input, true, false);
    const [vectors = 0, samples = 0, out = 0] = dy.shape;
    const columns = tf.reshape(tf.transpose(dy, [0, 2, 1]), [vectors * out, samples]);
    return tf.reshape(tf.matMul(columns, input), [vectors, out, input.shape[1] ?? 0]);
  }
}

/** Apply a map of rows [N, a] to [V?, N, a]. */
function onRows(x: tf.Tensor, map: (rows: tf.Tensor) => tf.Tensor): tf.Tensor {
  if (x.rank === 2) return map(x);
  const [vectors = 0, samples = 0, features = 0] = x.shape;
  const rows = map(tf.reshape(x, [vectors * samples, features]));
  return tf.reshape(rows, [vectors, samples, rows.shape[1] ?? 0]);
}
