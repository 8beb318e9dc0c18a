import * as fused from '../fused.js';
import * as tf from '../tf.js';
import { cellMasks, pickCells, spreadCells } from './chosen-cells.js';
import { type Layer, noParameter } from './layer.js';
import { onPictures, sizeOf } from './leading.js';
import { windowCells } from './unfold.js';
import { type Placement, placeWindow, type Window, type WindowOptions, windowOf } from './window.js';

/** What a pooling layer keeps of its forward pass. */
export type MaxPoolSaved = {
  readonly input: tf.Tensor;
  readonly output: tf.Tensor;
  /** The cell that each window chose, 0 to kh kw - 1 in row-major order, float32 [N, outH, outW, C]. */
  readonly chosen: tf.Tensor;
};

/**
 * The maximum of each window of pictures [N, H, W, C], channel by channel; padding counts as minus infinity. Of equal
 * maxima the first in row-major order is chosen. J picks the chosen elements, J^T puts them back.
 *
 * The stride is the kernel's size if absent.
 */
export class MaxPool2d implements Layer<MaxPoolSaved> {
  readonly kind = 'max-pool2d';
  readonly parameters = [];
  readonly #window: Window;

  constructor(options: WindowOptions) {
    this.#window = windowOf({ stride: options.kernel, ...options });
  }

  forward(input: tf.Tensor): { output: tf.Tensor; saved: MaxPoolSaved } {
    const placement = this.place(input);
    return tf.scoped(() => {
      const { largest, chosen } =
        fused.maxPool(input, placement) ?? largestCells(windowCells(input, placement, -Infinity));
      return { output: largest, saved: { input, output: largest, chosen } };
    });
  }

  inputJvp(saved: MaxPoolSaved, dx: tf.Tensor): tf.Tensor {
    const placement = this.place(saved.input);
    return onPictures(dx, (pictures) => pickCells(pictures, saved.chosen, placement));
  }

  inputVjp(saved: MaxPoolSaved, dy: tf.Tensor): tf.Tensor {
    const placement = this.place(saved.input);
    return onPictures(dy, (pictures) => spreadCells(pictures, saved.chosen, placement));
  }

  /** Number of cells of a window. */
  get cells(): number {
    const [height, width] = this.#window.kernel;
    return height * width;
  }

  /** For each cell of the kernel where it was chosen, 1 or 0, [N, outH, outW, C]: the Jacobian of every sample. */
  masks({ chosen }: MaxPoolSaved): tf.Tensor[] {
    return cellMasks(chosen, this.#window);
  }

  /**
   * The windows on pictures of this size.
   *
   * @throws RangeError  they do not fit, or some lie in the padding altogether
   */
  place(pictures: tf.Tensor): Placement {
    const placement = placeWindow(this.#window, sizeOf(pictures));
    const { kernel, padding, dilation } = placement;
    if (padding.some((cells, side) => cells > (kernel[side >> 1]! - 1) * dilation[side >> 1]!)) {
      throw new RangeError(`with padding [${padding.join(', ')}] some pooling windows lie outside of the picture`);
    }
    return placement;
  }

  paramJvp(_saved: MaxPoolSaved, name: string): never {
    return noParameter(this.kind, name);
  }

  paramVjp(_saved: MaxPoolSaved, name: string): never {
    return noParameter(this.kind, name);
  }
}

/** The maximum over the cells of the windows, and the number of the first cell that attains it. */
function largestCells(cells: readonly tf.Tensor[]): { largest: tf.Tensor; chosen: tf.Tensor } {
  let largest = cells[0]!;
  let chosen = tf.zerosLike(largest);
  for (const [k, candidate] of cells.entries()) {
    const better = tf.cast(tf.greater(candidate, largest), 'float32');
    chosen = tf.maximum(chosen, tf.mul(k, better)); // k grows, so the last that was better wins
    largest = tf.maximum(largest, candidate);
  }
  return { largest, chosen };
}
