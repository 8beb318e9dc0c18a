import { convolveActivated, type KnownByOutput } from '../fused.js';
import * as tf from '../tf.js';
import { convolve, convolveTransposed, correlate } from './convolution.js';
import { type Layer, noParameter } from './layer.js';
import { everywhere, onPictures, sizeOf, vectorsFirst, vectorsLast } from './leading.js';
import { Parameter } from './parameter.js';
import { unfold } from './unfold.js';
import { type Placement, placeWindow, type Window, type WindowOptions, windowOf } from './window.js';

type ConvSaved = { readonly input: tf.Tensor };

/** Stride 1, no padding, no dilation, one group if absent; the kernel comes from the weight. */
export interface Conv2dOptions extends Omit<WindowOptions, 'kernel'> {
  /** Input and output channels fall into that many groups that do not see each other; 1 if absent. */
  readonly groups?: number;
}

/**
 * y_npo = sum_k u_npk W_ko + b_o with the windows u = unfold(x) of pictures x [N, H, W, C], p output positions,
 * k = (kernel row, kernel column, channel), weight W [kh, kw, C / groups, out], optional bias b [out].
 *
 * Linear in x, W and b each, so every Jacobian product is a convolution or one of its adjoints.
 */
export class Conv2d implements Layer<ConvSaved> {
  readonly kind = 'conv2d';
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly groups: number;
  readonly #window: Window;

  /** @param weight [kh, kw, in / groups, out] and @param bias [out] or null; both are taken over. */
  constructor(weight: tf.Tensor, bias: tf.Tensor | null, { groups = 1, ...window }: Conv2dOptions = {}) {
    const [height = 0, width = 0, , out = 0] = weight.shape;
    if (weight.rank !== 4) {
      throw new RangeError(
        `a convolution weight is [height, width, in / groups, out], not [${weight.shape.join(', ')}]`,
      );
    }
    if (!Number.isInteger(groups) || groups < 1 || out % groups !== 0) {
      throw new RangeError(`${out} output channels do not fall into ${groups} equal groups`);
    }
    if (bias && (bias.rank !== 1 || bias.shape[0] !== out)) {
      throw new RangeError(`the bias of a convolution with ${out} outputs cannot be [${bias.shape.join(', ')}]`);
    }
    this.#window = windowOf({ ...window, kernel: [height, width] });
    this.groups = groups;
    this.weight = new Parameter('weight', weight);
    this.bias = bias && new Parameter('bias', bias);
  }

  /** The weight [kh, kw, in / groups, out], then the bias [out] if there is one. */
  get parameters(): Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  forward(input: tf.Tensor): { output: tf.Tensor; saved: ConvSaved } {
    this.#check(input);
    if (this.bias && this.groups === 1) {
      return { output: convolve(input, this.weight.value, this.place(input), this.bias.value), saved: { input } };
    }
    const product = this.inputJvp({ input }, input);
    return { output: this.bias ? tf.add(product, this.bias.value) : product, saved: { input } };
  }

  forwardActivated(input: tf.Tensor, activation: KnownByOutput): { output: tf.Tensor; saved: ConvSaved } | null {
    this.#check(input);
    if (this.groups > 1) return null;
    const bias = this.bias && this.bias.value;
    const output = convolveActivated(input, this.weight.value, bias, this.place(input), activation);
    return output && { output, saved: { input } };
  }

  inputJvp({ input }: ConvSaved, dx: tf.Tensor): tf.Tensor {
    const placement = this.place(input);
    const weights = this.#split(this.weight.value);
    return onPictures(dx, (pictures) =>
      join(this.#split(pictures).map((group, g) => convolve(group, weights[g]!, placement))),
    );
  }

  inputVjp({ input }: ConvSaved, dy: tf.Tensor): tf.Tensor {
    const placement = this.place(input);
    const weights = this.#split(this.weight.value);
    return onPictures(dy, (pictures) =>
      join(this.#split(pictures).map((group, g) => convolveTransposed(group, weights[g]!, placement))),
    );
  }

  paramJvp({ input }: ConvSaved, name: string, dw: tf.Tensor): tf.Tensor {
    const placement = this.place(input);
    const [samples = 0] = input.shape;
    if (name === 'bias' && this.bias) return everywhere(dw, [samples, ...placement.output]);
    if (name !== 'weight') return noParameter(this.kind, name);
    const weights = this.#split(dw);
    const convolved = this.#split(input).map((group, g) => {
      const weight = weights[g]!;
      return vectorsFirst(convolve(group, vectorsLast(weight), placement), weight);
    });
    return join(convolved);
  }

  paramVjp({ input }: ConvSaved, name: string, dy: tf.Tensor): tf.Tensor {
    if (name === 'bias' && this.bias) return tf.sum(dy, [-4, -3, -2]);
    if (name !== 'weight') return noParameter(this.kind, name);
    const placement = this.place(input);
    const gradients = this.#split(dy);
    const correlated = this.#split(input).map((group, g) => {
      const gradient = gradients[g]!;
      return vectorsFirst(correlate(group, vectorsLast(gradient), placement), gradient);
    });
    return join(correlated);
  }

  /** The windows of pictures as rows, [N, P, kh kw in]: what K-FAC and Hessian backpropagation see as the input. */
  unfold(pictures: tf.Tensor): tf.Tensor {
    return unfold(pictures, this.place(pictures));
  }

  /** The windows on pictures of this size. */
  place(pictures: tf.Tensor): Placement {
    return placeWindow(this.#window, sizeOf(pictures));
  }

  #check(input: tf.Tensor): void {
    const channels = (this.weight.shape[2] ?? 0) * this.groups;
    if (input.rank === 4 && input.shape[3] === channels) return;
    throw new RangeError(`this convolution takes pictures [N, H, W, ${channels}], not [${input.shape.join(', ')}]`);
  }

  /** The groups of the last axis. */
  #split(x: tf.Tensor): tf.Tensor[] {
    return this.groups === 1 ? [x] : tf.split(x, this.groups, -1);
  }
}

function join(groups: tf.Tensor[]): tf.Tensor {
  return groups.length === 1 ? groups[0]! : tf.concat(groups, -1);
}
