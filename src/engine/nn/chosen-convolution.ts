/**
 * A convolution of stride 1 together with the pooling behind it, for tangents: pooling looks at one cell of each window, so
 * only there the convolution need be known, and only from there something comes back. Where a backend has the kernels
 * that is a quarter of the work for the usual windows.
 *
 * Throughout, x are pictures [N, H, W, C], W a weight [kh, kw, C, O], `chosen` [N, pH, pW, O] what `MaxPool2d` keeps: the
 * cell of each window, 0 to its size - 1 in row-major order, on the convolution's output. A cell beside that output counts
 * as 0. A further axis V of vectors in front is allowed where it is written.
 */
import * as fused from '../fused-curvature.js';
import * as tf from '../tf.js';
import { pickCells, spreadCells } from './chosen-cells.js';
import { convolve, convolveTransposed, correlate } from './convolution.js';
import type { ElementwiseByOutput, OutputSaved } from './known-by-output.js';
import { onPictures, vectorsFirst, vectorsLast } from './leading.js';

export type { ChosenPlacements } from '../fused-curvature.js';
type ChosenPlacements = fused.ChosenPlacements;

/** The activation that a convolution's input comes from, at a forward pass. */
export interface ActivationBefore {
  readonly layer: ElementwiseByOutput;
  readonly saved: OutputSaved;
}

/** Products with one choice, as many as are wanted: what a backend has to prepare for them it prepares once. */
export class ChosenConvolution {
  readonly #isFused: boolean;
  /** For the kernels; made when they are first used. */
  #tensors: fused.ChosenTensors | undefined;

  /**
   * @param chosen    has to live as long as this
   * @param channels  of the pictures
   * @param prepared  from `prepareChosen`; has to live as long as this
   */
  constructor(
    readonly chosen: tf.Tensor,
    readonly placements: ChosenPlacements,
    private readonly channels: number,
    private readonly prepared: tf.Tensor | null = null,
  ) {
    this.#isFused = hasChosenKernels(chosen, placements);
  }

  /**
   * The convolution of x [V?, N, H, W, C] with W [V?, kh, kw, C, O], one V at most, at the chosen cells: [V?, N, pH, pW, O].
   *
   * @param x       `ones` for those, behind an activation
   * @param before  of phi' x instead: x are tangents at its input
   */
  convolve(x: tf.Tensor | 'ones', weight: tf.Tensor, before: ActivationBefore | null = null): tf.Tensor {
    const { chosen, placements } = this;
    const one = this.#isFused
      ? fused.convolveChosen(inputOf(x), weight, this.#forKernels(), placements, before && passOf(before))
      : null;
    if (one) return one;
    if (before) return tf.scoped(() => this.convolve(through(before, x), weight));
    if (x === 'ones') throw new Error('ones only behind an activation');
    if (chosen.size === 0) {
      return tf.zeros([...x.shape.slice(0, -4), ...weight.shape.slice(0, -4), ...chosen.shape]);
    }
    const { convolution, pooling } = placements;
    return tf.scoped(() => {
      const results =
        weight.rank === 4
          ? onPictures(x, (pictures) => convolve(pictures, weight, convolution))
          : vectorsFirst(convolve(x, vectorsLast(weight), convolution), weight);
      return onPictures(results, (pictures) => pickCells(pictures, chosen, pooling));
    });
  }

  /** The adjoint of `convolve` in x: dy [V?, N, pH, pW, O] to [V?, N, H, W, C], times phi' if there is an activation before. */
  convolveTransposed(dy: tf.Tensor, weight: tf.Tensor, before: ActivationBefore | null = null): tf.Tensor {
    return this.#transposed(dy, weight, before, false)[0]!;
  }

  /** The same, and its sums over H and W, [V?, N, C], where a kernel has them in passing. */
  convolveTransposedWithSums(
    dy: tf.Tensor,
    weight: tf.Tensor,
    before: ActivationBefore | null = null,
  ): { dx: tf.Tensor; sums: tf.Tensor | undefined } {
    const [dx, sums] = this.#transposed(dy, weight, before, true);
    return { dx: dx!, sums };
  }

  #transposed(dy: tf.Tensor, weight: tf.Tensor, before: ActivationBefore | null, withSums: boolean): tf.Tensor[] {
    const { chosen, placements } = this;
    const fusedResults = this.#isFused
      ? fused.convolveTransposedChosen(dy, weight, this.#forKernels(), placements, before && passOf(before), withSums)
      : null;
    if (fusedResults) return fusedResults;
    const { convolution, pooling } = placements;
    return tf.scoped(() => {
      const back =
        chosen.size === 0
          ? tf.zeros([...dy.shape.slice(0, -3), ...convolution.input, weight.shape[2] ?? 0])
          : onPictures(dy, (cells) => convolveTransposed(spreadCells(cells, chosen, pooling), weight, convolution));
      return [before ? before.layer.inputJvp(before.saved, back) : back];
    });
  }

  /**
   * The adjoint in the weight, summed over samples: x [N, H, W, C] and dy [V?, N, pH, pW, O] to [V?, kh, kw, C, O].
   *
   * @param x       `ones` for those, behind an activation
   * @param before  with phi' x instead of x
   */
  correlate(x: tf.Tensor | 'ones', dy: tf.Tensor, before: ActivationBefore | null = null): tf.Tensor {
    const { chosen, placements } = this;
    const one = this.#isFused
      ? fused.correlateChosen(inputOf(x), dy, this.#forKernels(), placements, before && passOf(before))
      : null;
    if (one) return one;
    if (before) return tf.scoped(() => this.correlate(through(before, x), dy));
    if (x === 'ones') throw new Error('ones only behind an activation');
    const { convolution, pooling } = placements;
    if (chosen.size === 0) {
      return tf.zeros([...dy.shape.slice(0, -4), ...convolution.kernel, x.shape[3] ?? 0, dy.shape.at(-1) ?? 0]);
    }
    return tf.scoped(() => {
      const spread = onPictures(dy, (cells) => spreadCells(cells, chosen, pooling));
      return vectorsFirst(correlate(x, vectorsLast(spread), convolution), spread);
    });
  }

  /** Of what was prepared here; the rest is the caller's. */
  dispose(): void {
    if (!this.prepared) this.#tensors?.places?.dispose();
    this.#tensors = undefined;
  }

  #forKernels(): fused.ChosenTensors {
    if (this.#tensors) return this.#tensors;
    const { chosen, placements, channels, prepared } = this;
    const places = prepared ?? fused.chosenPlaces(chosen, placements, channels);
    if (places && !prepared) tf.keep(places);
    return (this.#tensors = { chosen, ...(places && { places }) });
  }
}

function inputOf(x: tf.Tensor | 'ones'): tf.Tensor | null {
  return x === 'ones' ? null : x;
}

/** phi' x. */
function through({ layer, saved }: ActivationBefore, x: tf.Tensor | 'ones'): tf.Tensor {
  return x === 'ones' ? layer.derivative(saved) : layer.inputJvp(saved, x);
}

/** The same for kernels. */
export function passOf({ layer, saved }: ActivationBefore): fused.ActivationPass {
  return { activation: layer.activation, output: saved.output };
}

/** What kernels prepare for their products with one choice; null: they need nothing. The caller's. */
export function prepareChosen(chosen: tf.Tensor, placements: ChosenPlacements, channels: number): tf.Tensor | null {
  return hasChosenKernels(chosen, placements) ? fused.chosenPlaces(chosen, placements, channels) : null;
}

/** Whether there are kernels for such a convolution; without them every cell is computed. */
export function hasChosenKernels(chosen: tf.Tensor, placements: ChosenPlacements): boolean {
  return fused.hasChosen() && chosen.size > 0 && suits(chosen, placements);
}

/**
 * Whether the kernels for chosen cells know such a convolution, and are worth it. They do a multiplication at half the speed
 * of a whole convolution or better (patches are gathered, and what is short of a vector is lost), so that they win where
 * there are half as many windows as cells or fewer: a stride of 2 has a quarter, a stride of 1 as many.
 */
function suits(chosen: tf.Tensor, { convolution: { stride, dilation, output }, pooling }: ChosenPlacements): boolean {
  const fewer = 2 * pooling.output[0] * pooling.output[1] <= output[0] * output[1];
  return fewer && areCountable(chosen, output) && [...stride, ...dilation].every((step) => step === 1);
}

/** Whether kernels, which count in 16 bits, can count a sample's results [..., pH, pW, O] and the cells of its picture. */
export function areCountable(results: tf.Tensor, [height, width]: readonly [number, number]): boolean {
  return Math.max(tf.util.sizeFromShape(results.shape.slice(-3)), height * width) < 2 ** 16 - 1;
}
