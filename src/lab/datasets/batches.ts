/** From bytes to the numbers of a mini-batch, and in which order. */
import type { Random } from '../random.js';
import type { Dataset, Split } from './dataset.js';

/**
 * Pictures as normalised floats, (byte / 255 - mean) / std per channel.
 *
 * @param indices  which samples, in this order
 * @returns [indices.length, height, width, channels], row-major
 */
export function batchImages(
  dataset: Pick<Dataset, 'shape' | 'mean' | 'std'>,
  split: Split,
  indices: ArrayLike<number>,
): Float32Array {
  const [height, width, channels] = dataset.shape;
  const pixels = height * width * channels;
  const tables = Array.from({ length: channels }, (_, c) => normalisationTable(dataset, c));
  const { images } = split;
  const out = new Float32Array(indices.length * pixels);
  for (let n = 0; n < indices.length; n++) {
    const from = indices[n]! * pixels;
    const to = n * pixels;
    for (let c = 0; c < channels; c++) {
      const table = tables[c]!;
      for (let i = c; i < pixels; i += channels) out[to + i] = table[images[from + i]!]!;
    }
  }
  return out;
}

/** What each of the 256 byte values of a channel becomes. */
function normalisationTable({ mean, std }: Pick<Dataset, 'mean' | 'std'>, channel: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - mean[channel]!) / std[channel]!);
}

/** Class indices of the samples, in the order of `indices`. */
export function batchLabels(split: Split, indices: ArrayLike<number>): Int32Array {
  return Int32Array.from(indices, (index) => split.labels[index]!);
}

/** 0 .. n - 1. */
export function inOrder(n: number): Uint32Array {
  return Uint32Array.from({ length: n }, (_, i) => i);
}

/** 0 .. n - 1 in random order, every order as likely. */
export function shuffled(n: number, rng: Random): Uint32Array {
  return drawSubset(n, n, rng);
}

/** k of 0 .. n - 1 without replacement, in random order (the first k steps of a Fisher-Yates shuffle). */
export function drawSubset(n: number, k: number, rng: Random): Uint32Array {
  const order = inOrder(n);
  for (let i = 0; i < k; i++) {
    const j = i + rng.int(n - i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.subarray(0, k);
}

/** Consecutive pieces of `size` indices; the last may be smaller. */
export function* indexBatches(indices: Uint32Array, size: number): Generator<Uint32Array> {
  for (let start = 0; start < indices.length; start += size) yield indices.subarray(start, start + size);
}
