import * as fused from '../fused.js';
import { gram, type GramOptions } from '../linalg/gram.js';
import { correlate } from '../nn/convolution.js';
import { unfold } from '../nn/unfold.js';
import { type Placement, placeWindow, type Sides, windowOf } from '../nn/window.js';
import * as tf from '../tf.js';

/** Multiplications that take as long as writing and reading one number of the unfolded pictures. */
const multiplicationsPerNumber = 8;
/** Output positions whose products are summed in one go: float32 loses digits in longer sums. */
const positionsPerChunk = 1 << 14;

/**
 * The products of all patches of pictures x [N, H, W, C], A = sum_np u_np u_np^T, [k, k], with the patches u = unfold(x)
 * as a convolution of this placement sees them, k = (kernel row, kernel column, channel). With `ones` every patch ends
 * in a further 1, [k + 1, k + 1].
 *
 * By unfolding the pictures, or as an autocorrelation of them where that is less work.
 */
export function patchCovariance(x: tf.Tensor, placement: Placement, options: GramOptions = {}): tf.Tensor {
  return tf.scoped(() =>
    correlates(x, placement) ? byCorrelation(x, placement, options) : byUnfolding(x, placement, options),
  );
}

/** `patchCovariance` from the patches themselves. */
export function byUnfolding(x: tf.Tensor, placement: Placement, options: GramOptions = {}): tf.Tensor {
  return tf.scoped(() => {
    const patches = unfold(x, placement);
    return gram(tf.reshape(patches, [-1, patches.shape[2] ?? 0]), options);
  });
}

/** Whether `byCorrelation` holds here and takes less work than `byUnfolding`, counted for each position. */
function correlates(x: tf.Tensor, placement: Placement): boolean {
  const [height, width] = placement.kernel;
  const channels = x.shape[3] ?? 0;
  const numbers = height * width * channels;
  const unfolding = numbers ** 2 / 2 + multiplicationsPerNumber * numbers;
  return isCorrelation(placement) && (2 * height - 1) * (2 * width - 1) * channels ** 2 < unfolding;
}

/** Whether `byCorrelation` holds: an odd kernel that keeps the size of the pictures. */
export function isCorrelation({ kernel, stride, dilation, padding, input }: Placement): boolean {
  return (
    kernel[0] * kernel[1] > 1 &&
    kernel.every((length, axis) => length % 2 === 1 && (length - 1) / 2 <= input[axis]!) &&
    [...stride, ...dilation].every((step) => step === 1) &&
    padding.every((cells, side) => cells === (kernel[side >> 1]! - 1) / 2)
  );
}

/**
 * `patchCovariance` for an odd kernel [2 p + 1, 2 q + 1] of stride 1 that keeps the size of the pictures, without
 * unfolding them.
 *
 * Let patches lie around all positions from -p to H + p - 1 and -q to W + q - 1, with zeros outside of the picture. Then
 * each cell of the kernel meets each pixel once, and the products depend on the shift between two cells only:
 *
 * F[(u, v, c), (u', v', c')] = S[u' - u, v' - v, c, c'] with S[s, t, c, c'] = sum_nyx x[n, y, x, c] x[n, y + s, x + t, c'].
 *
 * S is the weight gradient of a convolution of x with itself whose kernel is [4 p + 1, 4 q + 1]: for 3 x 3 these are 25
 * products of two channels at each position instead of 81. The positions outside of the picture are too many:
 *
 * A = F - sum over them of u u^T.
 *
 * Of the patches around the p positions above the picture only the last p kernel rows are not zero, and they see its
 * first p rows only: a small product of patches. The same below, to the left and to the right; corners belong to the
 * strips above and below. All this is exact. Sums of the patches, for `ones`, go the same way.
 */
export function byCorrelation(x: tf.Tensor, placement: Placement, { ones = false }: GramOptions = {}): tf.Tensor {
  return tf.scoped(() => {
    let result = everywhere(x, placement, ones);
    for (const strip of strips(placement)) {
      const outside = tf.scoped(() => embed(stripProducts(x, strip, ones), strip, placement.kernel, ones));
      result = tf.sub(result, outside);
    }
    return result;
  });
}

/** F, with the sums of the patches around all positions behind it. */
function everywhere(x: tf.Tensor, { kernel, input }: Placement, ones: boolean): tf.Tensor {
  const [height, width] = kernel;
  const [samples = 0, , , channels = 0] = x.shape;
  const size = height * width * channels;
  // [4 p + 1, 4 q + 1, c', c]: cell (u, v) has its shifts u' - u = -u .. 2 p - u in rows 2 p - u and on.
  const shifts = shiftProducts(x, kernel, input);
  const columns: tf.Tensor[] = [];
  for (let u = 0; u < height; u++) {
    for (let v = 0; v < width; v++) {
      const begin = [height - 1 - u, width - 1 - v, 0, 0];
      columns.push(tf.reshape(tf.slice(shifts, begin, [height, width, channels, channels]), [size, channels]));
    }
  }
  const products = tf.concat(columns, 1); // F is symmetric
  if (!ones) return products;
  // Sample by sample first: some backends add up in one float32.
  const sums = tf.tile(tf.sum(tf.sum(x, [1, 2]), 0), [height * width]);
  const positions = samples * (input[0] + height - 1) * (input[1] + width - 1);
  return tf.concat(
    [
      tf.concat([products, tf.reshape(sums, [1, size])], 0),
      tf.concat([tf.reshape(sums, [size, 1]), tf.fill([1, 1], positions)], 0),
    ],
    1,
  );
}

/** sum_nyx x[n, y + s, x + t, c'] x[n, y, x, c], [4 p + 1, 4 q + 1, c', c] with rows s = -2 p .. 2 p; columns alike. */
function shiftProducts(x: tf.Tensor, [height, width]: Placement['kernel'], input: Placement['input']): tf.Tensor {
  const done = fused.shiftProducts(x, height - 1, width - 1);
  if (done) return done;
  const window = windowOf({ kernel: [2 * height - 1, 2 * width - 1], padding: [height - 1, width - 1] });
  const placement = placeWindow(window, input);
  const [samples = 0, ...picture] = x.shape;
  const chunk = Math.max(1, Math.ceil(positionsPerChunk / (input[0] * input[1])));
  if (samples <= chunk) return correlate(x, x, placement);
  let sum: tf.Tensor | undefined;
  for (let n = 0; n < samples; n += chunk) {
    const next = tf.scoped(() => {
      const some = tf.slice(x, [n, 0, 0, 0], [Math.min(chunk, samples - n), ...picture]);
      const products = correlate(some, some, placement);
      return sum ? tf.add(sum, products) : products;
    });
    sum?.dispose();
    sum = next;
  }
  return sum!;
}

/** Positions beside the picture: the pixels and the cells of the kernel that meet there, and how. */
interface Strip {
  readonly begin: readonly [number, number];
  readonly size: readonly [number, number];
  /** The first kernel row and column, and how many. */
  readonly cells: { readonly first: readonly [number, number]; readonly kernel: readonly [number, number] };
  readonly padding: Sides;
}

function strips({ kernel: [height, width], input }: Placement): Strip[] {
  const [p, q] = [(height - 1) / 2, (width - 1) / 2];
  const across = { size: [p, input[1]], kernel: [p, width] } as const;
  const along = { size: [input[0], q], kernel: [height, q] } as const;
  const strip = (
    { size, kernel }: typeof across | typeof along,
    begin: Strip['begin'],
    first: readonly [number, number],
    padding: Sides,
  ): Strip => ({ begin, size, cells: { first, kernel }, padding });
  return [
    ...(p === 0
      ? []
      : [
          strip(across, [0, 0], [p + 1, 0], [p - 1, 0, 2 * q, 2 * q]),
          strip(across, [input[0] - p, 0], [0, 0], [0, p - 1, 2 * q, 2 * q]),
        ]),
    ...(q === 0
      ? []
      : [
          strip(along, [0, 0], [0, q + 1], [p, p, q - 1, 0]),
          strip(along, [0, input[1] - q], [0, 0], [p, p, 0, q - 1]),
        ]),
  ];
}

/** The products of the cells that are not zero, in their own order. */
function stripProducts(x: tf.Tensor, { begin, size, cells, padding }: Strip, ones: boolean): tf.Tensor {
  const [samples = 0, , , channels = 0] = x.shape;
  const pixels = tf.slice(x, [0, ...begin, 0], [samples, ...size, channels]);
  return byUnfolding(pixels, placeWindow(windowOf({ kernel: cells.kernel, padding }), [...size]), { ones });
}

/** Products of some cells of a kernel [height, width] at their places among those of all, zeros elsewhere. */
function embed(products: tf.Tensor, { cells }: Strip, kernel: Placement['kernel'], ones: boolean): tf.Tensor {
  const channels = (products.shape[0] - Number(ones)) / (cells.kernel[0] * cells.kernel[1]);
  const around = (axis: 0 | 1, each: number): [number, number] => {
    const before = cells.first[axis];
    return [before * each, (kernel[axis] - before - cells.kernel[axis]) * each];
  };
  /** Along the first axis. */
  const spread = (matrix: tf.Tensor): tf.Tensor => {
    const [rows = 0, columns = 0] = matrix.shape;
    const inner = tf.slice(matrix, [0, 0], [rows - Number(ones), columns]);
    const byCell = tf.reshape(inner, [cells.kernel[0], cells.kernel[1] * channels, columns]);
    const all = tf.reshape(tf.pad(byCell, [around(0, 1), around(1, channels), [0, 0]]), [-1, columns]);
    return ones ? tf.concat([all, tf.slice(matrix, [rows - 1, 0], [1, columns])], 0) : all;
  };
  return spread(tf.transpose(spread(products))); // symmetric
}
