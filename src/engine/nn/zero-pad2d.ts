import type * as tf from '../tf.js';
import { type Layer, noParameter } from './layer.js';
import { onPictures, sizeOf } from './leading.js';
import { cropPictures, padPictures } from './unfold.js';
import { type Padding, type Sides, sidesOf } from './window.js';

type ZeroPadSaved = { readonly input: tf.Tensor };

/** Pictures [N, H, W, C] with zeros around them. J copies each element to its place, J^T cuts the zeros off. */
export class ZeroPad2d implements Layer<ZeroPadSaved> {
  readonly kind = 'zero-pad2d';
  readonly parameters = [];
  readonly padding: Sides;

  constructor(padding: Exclude<Padding, 'same'>) {
    this.padding = sidesOf(padding);
  }

  forward(input: tf.Tensor): { output: tf.Tensor; saved: ZeroPadSaved } {
    return { output: this.inputJvp({ input }, input), saved: { input } };
  }

  inputJvp(_saved: ZeroPadSaved, dx: tf.Tensor): tf.Tensor {
    return onPictures(dx, (pictures) => padPictures(pictures, this.padding));
  }

  inputVjp({ input }: ZeroPadSaved, dy: tf.Tensor): tf.Tensor {
    return onPictures(dy, (pictures) => cropPictures(pictures, this.padding, sizeOf(input)));
  }

  paramJvp(_saved: ZeroPadSaved, name: string): never {
    return noParameter(this.kind, name);
  }

  paramVjp(_saved: ZeroPadSaved, name: string): never {
    return noParameter(this.kind, name);
  }
}
