import * as fused from '../fused.js';
import * as tf from '../tf.js';
import { type Layer, noParameter } from './layer.js';
import { onPictures, sizeOf } from './leading.js';
import { spreadCells, windowCells } from './unfold.js';
import { type Placement, placeWindow, type Window, type WindowOptions, windowOf } from './window.js';

/** What a pooling layer keeps of its forward pass. */
export type MaxPoolSaved = {
  readonly input: tf.Tensor;
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
      return { output: largest, saved: { input, chosen } };
    });
  }

  inputJvp(saved: MaxPoolSaved, dx: tf.Tensor): tf.Tensor {
    const placement = this.place(saved.input);
    return onPictures(dx, (pictures) => {
      const picked = fused.pickCells(pictures, saved.chosen, placement);
      if (picked) return picked;
      return tf.scoped(() => {
        const masks = this.masks(saved);
        return windowCells(pictures, placement)
          .map((cell, k) => onEverySample(cell, masks[k]!))
          .reduce((sum, term) => tf.add(sum, term));
      });
    });
  }

  inputVjp(saved: MaxPoolSaved, dy: tf.Tensor): tf.Tensor {
    const placement = this.place(saved.input);
    return onPictures(dy, (pictures) => {
      const spread = fused.spreadCells(pictures, saved.chosen, placement);
      if (spread) return spread;
      return tf.scoped(() => {
        const cells = this.masks(saved).map((mask) => onEverySample(pictures, mask));
        return spreadCells(cells, placement);
      });
    });
  }

  /** Number of cells of a window. */
  get cells(): number {
    const [height, width] = this.#window.kernel;
    return height * width;
  }

  /** For each cell of the kernel where it was chosen, 1 or 0, [N, outH, outW, C]: the Jacobian of every sample. */
  masks({ chosen }: MaxPoolSaved): tf.Tensor[] {
    // max(0, 1 - |chosen - k|): backends compare numbers with tensors far more slowly than they calculate.
    return Array.from({ length: this.cells }, (_, k) => tf.relu(tf.sub(1, tf.abs(tf.sub(chosen, k)))));
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

/** Pictures [V N, ...] times a mask [N, ...]. */
function onEverySample(pictures: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  const { shape } = pictures;
  return tf.reshape(tf.mul(tf.reshape(pictures, [-1, ...mask.shape]), mask), shape);
}
