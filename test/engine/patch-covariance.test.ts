import {
  byCorrelation,
  byUnfolding,
  isCorrelation,
  patchCovariance,
} from '../../src/engine/curvature/patch-covariance.js';
import { type Placement, placeWindow, windowOf, type WindowOptions } from '../../src/engine/nn/window.js';
import * as tf from '../../src/engine/tf.js';
import { seededStreams } from '../../src/lab/random.js';
import { describeOnEveryBackend, expectNoLeak, inScope, numbersOf } from '../support/backends.js';

interface Case {
  readonly name: string;
  readonly shape: readonly [samples: number, height: number, width: number, channels: number];
  readonly window: WindowOptions;
}

const cases: Case[] = [
  { name: 'odd sizes', shape: [3, 7, 5, 4], window: { kernel: 3, padding: 1 } },
  { name: 'one channel', shape: [4, 6, 9, 1], window: { kernel: 3, padding: 'same' } },
  { name: 'one sample', shape: [1, 5, 6, 3], window: { kernel: 3, padding: 1 } },
  { name: 'pictures of 4 x 4, where borders dominate', shape: [5, 4, 4, 3], window: { kernel: 5, padding: 2 } },
  { name: 'pictures that the padding just fits', shape: [3, 2, 1, 2], window: { kernel: [5, 3], padding: [2, 1] } },
  { name: 'a column', shape: [3, 6, 5, 2], window: { kernel: [3, 1], padding: [1, 0] } },
  { name: 'a row', shape: [3, 5, 6, 2], window: { kernel: [1, 5], padding: 'same' } },
  { name: '5 x 5', shape: [2, 8, 7, 3], window: { kernel: 5, padding: 2 } },
  { name: '7 x 3', shape: [2, 9, 4, 2], window: { kernel: [7, 3], padding: [3, 1] } },
];
const long: Case = { name: 'sums in several chunks', shape: [70, 32, 32, 1], window: { kernel: 3, padding: 1 } };

const others: Case[] = [
  { name: 'no padding', shape: [3, 6, 5, 2], window: { kernel: 3 } },
  { name: 'an even kernel', shape: [3, 6, 5, 2], window: { kernel: 2, padding: 'same' } },
  { name: 'a stride', shape: [3, 6, 6, 2], window: { kernel: 3, padding: 1, stride: 2 } },
  { name: 'a dilation', shape: [3, 6, 6, 2], window: { kernel: 3, padding: 1, dilation: [2, 1] } },
  { name: 'one cell', shape: [3, 4, 4, 5], window: { kernel: 1 } },
  { name: 'pictures smaller than the padding', shape: [3, 1, 1, 2], window: { kernel: 5, padding: 2 } },
];

function picturesOf({ shape }: Case): Float32Array {
  const { init } = seededStreams(7);
  // A mean that is not zero, as behind a sigmoid: sums cancel nowhere.
  return Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.4 + 0.5 * init.uniform());
}

function placementOf({ shape, window }: Case): Placement {
  return placeWindow(windowOf(window), [shape[1], shape[2]]);
}

/** [u | 1] [u | 1]^T over all patches in float64. */
function reference(pictures: Float32Array, { shape }: Case, placement: Placement): Float64Array {
  const [samples, height, width, channels] = shape;
  const { kernel, stride, dilation, padding, output } = placement;
  const side = kernel[0] * kernel[1] * channels + 1;
  const product = new Float64Array(side * side);
  const patch = new Float64Array(side).fill(1);
  for (let at = 0; at < samples * output[0] * output[1]; at++) {
    const n = Math.floor(at / (output[0] * output[1]));
    const [y, x] = [Math.floor(at / output[1]) % output[0], at % output[1]];
    for (let k = 0; k < side - 1; k++) {
      const [cell, c] = [Math.floor(k / channels), k % channels];
      const row = y * stride[0] + Math.floor(cell / kernel[1]) * dilation[0] - padding[0];
      const column = x * stride[1] + (cell % kernel[1]) * dilation[1] - padding[2];
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      patch[k] = inside ? pictures[((n * height + row) * width + column) * channels + c]! : 0;
    }
    for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) product[i * side + j]! += patch[i]! * patch[j]!;
  }
  return product;
}

/** The largest deviation as a share of the largest number. */
async function errorOf(found: tf.Tensor, expected: Float64Array): Promise<number> {
  const numbers = await numbersOf(found);
  expect(numbers).toHaveLength(expected.length);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return expected.reduce((a, b, i) => Math.max(a, Math.abs(numbers[i]! - b)), 0) / largest;
}

function withoutOnes(product: Float64Array): Float64Array {
  const side = Math.sqrt(product.length);
  return product.filter((_, i) => i % side < side - 1 && i < side * (side - 1));
}

describeOnEveryBackend('products of patches', (backend) => {
  // In JavaScript half as many pictures.
  const correlations = [...cases, backend === 'cpu' ? { ...long, shape: [35, 32, 32, 1] as const } : long];

  it.each(correlations)('as an autocorrelation: $name', async (given) => {
    await inScope(async () => {
      const pictures = picturesOf(given);
      const x = tf.tensor(pictures, [...given.shape]);
      const placement = placementOf(given);
      expect(isCorrelation(placement)).toBe(true);
      const expected = reference(pictures, given, placement);
      expect(await errorOf(byCorrelation(x, placement, { ones: true }), expected)).toBeLessThan(2e-6);
      expect(await errorOf(byCorrelation(x, placement), withoutOnes(expected))).toBeLessThan(2e-6);
      // The products of some backends add up long sums one by one.
      expect(await errorOf(byUnfolding(x, placement, { ones: true }), expected)).toBeLessThan(1e-5);
      expect(await errorOf(byUnfolding(x, placement), withoutOnes(expected))).toBeLessThan(1e-5);
    });
  });

  it.each([...correlations, ...others])('by the cheaper way: $name', async (given) => {
    await inScope(async () => {
      const pictures = picturesOf(given);
      const x = tf.tensor(pictures, [...given.shape]);
      const placement = placementOf(given);
      const expected = reference(pictures, given, placement);
      await expectNoLeak(async () => {
        const found = patchCovariance(x, placement, { ones: true });
        expect(await errorOf(found, expected)).toBeLessThan(2e-6);
        found.dispose();
      });
    });
  });

  it.each(others)('is no autocorrelation: $name', (given) => {
    expect(isCorrelation(placementOf(given))).toBe(false);
  });

  it('loses no more digits than the sum over unfolded patches where sums are long', async () => {
    await inScope(async () => {
      const pictureCount = backend === 'cpu' ? 15 : 130; // in JavaScript the long sum takes half a minute
      const given: Case = { name: '', shape: [pictureCount, 32, 32, 2], window: { kernel: 3, padding: 1 } };
      const pictures = picturesOf(given);
      const x = tf.tensor(pictures, [...given.shape]);
      const placement = placementOf(given);
      const expected = reference(pictures, given, placement);
      const unfolded = await errorOf(byUnfolding(x, placement, { ones: true }), expected);
      // The rounding of the results themselves is allowed to both.
      expect(await errorOf(byCorrelation(x, placement, { ones: true }), expected)).toBeLessThan(unfolded + 2e-7);
    });
  });
});
