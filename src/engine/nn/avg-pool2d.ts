import * as tf from '../tf.js';
import { type Layer, noParameter } from './layer.js';
import { onPictures, sizeOf } from './leading.js';
import { spreadCells, windowCells } from './unfold.js';
import { type Placement, placeWindow, type Window, type WindowOptions, windowOf } from './window.js';

type AvgPoolSaved = { readonly input: tf.Tensor };

/**
 * The mean of each window of pictures [N, H, W, C], channel by channel. Padding counts as zeros that take part in the
 * mean: the divisor is always the number of cells of the kernel (PyTorch's `count_include_pad=True`). J^T spreads each
 * mean evenly over its window.
 *
 * The stride is the kernel's size if absent.
 */
export class AvgPool2d implements Layer<AvgPoolSaved> {
  readonly kind = 'avg-pool2d';
  readonly parameters = [];
  readonly #window: Window;

  constructor(options: WindowOptions) {
    this.#window = windowOf({ stride: options.kernel, ...options });
  }

  forward(input: tf.Tensor): { output: tf.Tensor; saved: AvgPoolSaved } {
    return { output: this.inputJvp({ input }, input), saved: { input } };
  }

  inputJvp({ input }: AvgPoolSaved, dx: tf.Tensor): tf.Tensor {
    const placement = this.#place(input);
    return onPictures(dx, (pictures) =>
      tf.scoped(() => {
        const cells = windowCells(pictures, placement);
        return tf.div(
          cells.reduce((sum, cell) => tf.add(sum, cell)),
          cells.length,
        );
      }),
    );
  }

  inputVjp({ input }: AvgPoolSaved, dy: tf.Tensor): tf.Tensor {
    const placement = this.#place(input);
    const cells = placement.kernel[0] * placement.kernel[1];
    return onPictures(dy, (pictures) =>
      tf.scoped(() => spreadCells(Array<tf.Tensor>(cells).fill(tf.div(pictures, cells)), placement)),
    );
  }

  paramJvp(_saved: AvgPoolSaved, name: string): never {
    return noParameter(this.kind, name);
  }

  paramVjp(_saved: AvgPoolSaved, name: string): never {
    return noParameter(this.kind, name);
  }

  #place(pictures: tf.Tensor): Placement {
    return placeWindow(this.#window, sizeOf(pictures));
  }
}
