/** Two small classifiers, to see what is to be learnt from a dataset. */
import type { Random } from '../../../src/lab/random.js';

const CLASSES = 10;

/**
 * Test accuracy of multinomial logistic regression trained by SGD with weight decay.
 *
 * @param x  [N, D], row-major, about standardised
 */
export function linearAccuracy(x: Float32Array, y: Uint8Array, xTest: Float32Array, yTest: Uint8Array): number {
  const d = x.length / y.length;
  const weights = new Float32Array(CLASSES * d);
  const [epochs, lr, decay] = [4, 2 / d, 1e-3];
  for (let step = 0; step < epochs * y.length; step++) {
    const n = step % y.length;
    const row = x.subarray(n * d, (n + 1) * d);
    const scores = scoresOf(weights, row);
    const max = Math.max(...scores);
    const exps = scores.map((s) => Math.exp(s - max));
    const total = exps.reduce((a, b) => a + b);
    const rate = lr * (1 - step / (epochs * y.length));
    for (let k = 0; k < CLASSES; k++) {
      const residual = exps[k]! / total - (k === y[n] ? 1 : 0);
      for (let i = 0, w = k * d; i < d; i++, w++) weights[w]! -= rate * (residual * row[i]! + decay * weights[w]!);
    }
  }
  let right = 0;
  for (let n = 0; n < yTest.length; n++) {
    const scores = scoresOf(weights, xTest.subarray(n * d, (n + 1) * d));
    if (scores.indexOf(Math.max(...scores)) === yTest[n]) right++;
  }
  return right / yTest.length;
}

function scoresOf(weights: Float32Array, row: Float32Array): number[] {
  return Array.from({ length: CLASSES }, (_, k) => {
    let score = 0;
    for (let i = 0, w = k * row.length; i < row.length; i++, w++) score += weights[w]! * row[i]!;
    return score;
  });
}

/**
 * A convolutional layer with random zero-mean 7 x 7 filters on the grey picture, rectified and averaged over the
 * picture: knows how much of a texture there is, not where.
 *
 * @returns a function from [N, 32, 32, 3] to standardised [N, filters + 1]
 */
export function convolutionalFeatures(rng: Random, filters = 48): (pictures: Float32Array) => Float32Array {
  const [side, size, stride] = [32, 7, 5];
  const kernels = Array.from({ length: filters }, () => {
    const kernel = Float32Array.from({ length: size * size }, () => rng.uniform() - 0.5);
    const mean = kernel.reduce((a, b) => a + b) / kernel.length;
    return kernel.map((v) => v - mean);
  });
  return (pictures) => {
    const count = pictures.length / (side * side * 3);
    const out = new Float32Array(count * (filters + 1));
    const grey = new Float32Array(side * side);
    for (let n = 0; n < count; n++) {
      for (let p = 0, i = n * grey.length * 3; p < grey.length; p++, i += 3)
        grey[p] = pictures[i]! + pictures[i + 1]! + pictures[i + 2]!;
      kernels.forEach((kernel, f) => {
        let energy = 0;
        for (let top = 0; top + size <= side; top += stride) {
          for (let left = 0; left + size <= side; left += stride) {
            let response = 0;
            for (let y = 0, k = 0; y < size; y++) {
              for (let x = 0, at = (top + y) * side + left; x < size; x++) response += kernel[k++]! * grey[at++]!;
            }
            energy += Math.max(0, response);
          }
        }
        out[n * (filters + 1) + f] = Math.log(energy);
      });
      out[n * (filters + 1) + filters] = 1;
    }
    return standardise(out, filters + 1);
  };
}

/** Columns to mean 0 and variance 1; constant ones stay. */
function standardise(x: Float32Array, d: number): Float32Array {
  const n = x.length / d;
  for (let column = 0; column < d; column++) {
    let [sum, squares] = [0, 0];
    for (let i = column; i < x.length; i += d) {
      sum += x[i]!;
      squares += x[i]! ** 2;
    }
    const variance = squares / n - (sum / n) ** 2;
    if (variance < 1e-6) continue;
    for (let i = column; i < x.length; i += d) x[i] = (x[i]! - sum / n) / Math.sqrt(variance);
  }
  return x;
}
