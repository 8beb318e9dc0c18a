import { BceWithLogits } from '../../src/engine/nn/bce-with-logits.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import type { Saved } from '../../src/engine/nn/layer.js';
import type { Loss, Reduction } from '../../src/engine/nn/loss.js';
import { Mse } from '../../src/engine/nn/mse.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, numbersOf } from '../support/backends.js';
import { expectClose, goldenNames, type GoldenTensor, readGolden, tensorOf, toleranceOf } from '../support/golden.js';

type Matrix = number[][];

/** A loss written down plainly in float64: one sample's outputs and target to its term of the sum. */
interface Twin {
  create: (reduction: Reduction) => Loss;
  targets: tf.TensorLike;
  targetType: 'int32' | 'float32';
  sample: (z: number[], n: number) => number;
  /** What the mean divides by, for N samples with C outputs. */
  divisor: (samples: number, outputs: number) => number;
}

const logits: Matrix = [
  [0.5, -1.25, 2],
  [3, 0.125, -0.5],
  [0, 0, 0],
  [-2, 1.5, 0.75],
];
const labels = [2, 0, 1, 1];
const real: Matrix = [
  [0.25, 0, 1],
  [1, 0.5, 0],
  [0, 1, 0.75],
  [0.125, 0, 1],
];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const sumOver = (values: number[]): number => values.reduce((a, b) => a + b, 0);

const twins: Record<string, Twin> = {
  'cross-entropy': {
    create: (reduction) => new CrossEntropy(reduction),
    targets: labels,
    targetType: 'int32',
    sample: (z, n) => Math.log(sumOver(z.map(Math.exp))) - z[labels[n]!]!,
    divisor: (samples) => samples,
  },
  MSE: {
    create: (reduction) => new Mse(reduction),
    targets: real,
    targetType: 'float32',
    sample: (z, n) => sumOver(z.map((value, k) => (value - real[n]![k]!) ** 2)),
    divisor: (samples, outputs) => samples * outputs,
  },
  'BCE with logits': {
    create: (reduction) => new BceWithLogits(reduction),
    targets: real,
    targetType: 'float32',
    sample: (z, n) =>
      sumOver(
        z.map((value, k) => -real[n]![k]! * Math.log(sigmoid(value)) - (1 - real[n]![k]!) * Math.log(sigmoid(-value))),
      ),
    divisor: (samples, outputs) => samples * outputs,
  },
};
const cases = Object.keys(twins).flatMap((name) =>
  (['mean', 'sum'] as const).map((reduction) => [name, reduction] as const),
);

/** Central differences in float64; good to about 1e-7. */
function difference(f: (x: number) => number): number {
  const h = 1e-4;
  return (f(h) - f(-h)) / (2 * h);
}
function moved(z: number[], k: number, by: number): number[] {
  return z.map((value, i) => (i === k ? value + by : value));
}

describeOnEveryBackend('losses against differences of the formula in float64', () => {
  it.each(cases)('%s, %s: value, gradient, Hessian, factor', async (name, reduction) => {
    const { create, targets, targetType, sample, divisor } = twins[name]!;
    const tolerance = { rtol: 2e-6, atol: 2e-6 };
    const scale = reduction === 'mean' ? 1 / divisor(logits.length, 3) : 1;
    const gradient = logits.map((z, n) => z.map((_, k) => scale * difference((h) => sample(moved(z, k, h), n))));
    const hessians = logits.map((z, n) =>
      z.map((_, k) =>
        z.map((__, j) => scale * difference((h) => difference((i) => sample(moved(moved(z, k, h), j, i), n)))),
      ),
    );
    await expectNoLeak(() =>
      inScope(async () => {
        const loss = create(reduction);
        const { value, saved } = loss.forward(tf.tensor2d(logits), tf.tensor(targets, undefined, targetType));
        await expectClose(value, [scale * sumOver(logits.map(sample))], tolerance, 'value');
        await expectClose(loss.gradient(saved), gradient.flat(), tolerance, 'gradient');
        const summed = [0, 1, 2].map((k) => [0, 1, 2].map((j) => sumOver(hessians.map((h) => h[k]![j]!))));
        await expectClose(loss.averagedHessian(saved), summed.flat(), tolerance, 'averaged Hessian');
        await expectClose(squared(loss, saved), hessians.flat(2), tolerance, 'S S^T');

        const v = tf.randomNormal([2, 4, 3], 0, 1, 'float32', 3);
        const values = await numbersOf(v);
        const products = [0, 1].flatMap((w) =>
          hessians.flatMap((h, n) =>
            h.map((row) => sumOver(row.map((entry, j) => entry * values[w * 12 + n * 3 + j]!))),
          ),
        );
        await expectClose(loss.hessianVp(saved, v), products, tolerance, 'products with two vectors');
        const one = tf.reshape(tf.slice(v, [1], [1]), [4, 3]);
        await expectClose(loss.hessianVp(saved, one), products.slice(12), tolerance, 'product with one vector');
      }),
    );
  });

  it('refuses targets of another shape where it compares element by element', () => {
    tf.tidy(() => {
      const outputs = tf.zeros([4, 3]);
      expect(() => new Mse().forward(outputs, tf.zeros([4]))).toThrow(
        /MSE .*targets \[4\] do not fit outputs \[4, 3\]/,
      );
      expect(() => new BceWithLogits().forward(outputs, tf.zeros([3, 4]))).toThrow(/BCE .*\[3, 4\]/);
    });
  });
});

describeOnEveryBackend('losses where numbers are extreme', () => {
  it('cross-entropy: S S^T and the products are the Hessian for p that is all but one-hot', async () => {
    const extreme = [
      [0, -30, -12],
      [-30, 0, -12],
      [-9, -7, 0],
      [100, 0, -100],
      [-1000, 1000, 0],
    ];
    const hessians = extreme.flatMap((z) => {
      const largest = Math.max(...z);
      const weights = z.map((value) => Math.exp(value - largest));
      const p = weights.map((weight) => weight / sumOver(weights));
      // 1 - p_k as the sum of the others: the float64 reference must not cancel either.
      return p.flatMap((pk, k) => p.map((pj, j) => (k === j ? pk * sumOver(p.filter((_, i) => i !== k)) : -pk * pj)));
    });
    await inScope(async () => {
      const loss = new CrossEntropy('sum');
      const { saved } = loss.forward(tf.tensor2d(extreme), tf.tensor1d([0, 1, 2, 0, 1], 'int32'));
      const got = await numbersOf(squared(loss, saved));
      const units = tf.tile(tf.expandDims(tf.eye(3), 1), [1, 5, 1]);
      const columns = await numbersOf(tf.transpose(loss.hessianVp(saved, units), [1, 2, 0]));
      for (const [n] of extreme.entries()) {
        const block = hessians.slice(9 * n, 9 * n + 9);
        // Relative to the block's own largest entry, down to 6e-6: digits that p (1 - p) would have lost.
        const tolerance = { rtol: 1e-4, atol: 1e-9 };
        await expectClose(got.slice(9 * n, 9 * n + 9), block, tolerance, `S S^T of sample ${n}`);
        await expectClose(columns.slice(9 * n, 9 * n + 9), block, tolerance, `products of sample ${n}`);
      }
    });
  });

  it('BCE: large logits neither overflow nor lose the Hessian', async () => {
    await inScope(async () => {
      const loss = new BceWithLogits('sum');
      const z = [[200, -200, 30, -30]];
      const { value, saved } = loss.forward(tf.tensor2d(z), tf.tensor2d([[0, 1, 1, 0]]));
      await expectClose(value, [400], { rtol: 1e-6, atol: 0 }, 'value');
      await expectClose(loss.gradient(saved), [1, -1, 0, 0], { rtol: 0, atol: 1e-6 }, 'gradient');
      const tail = Math.exp(-30);
      const hessian = tf.slice(loss.hessianVp(saved, tf.onesLike(tf.tensor2d(z))), [0, 2], [1, 2]);
      await expectClose(hessian, [tail, tail], { rtol: 1e-5, atol: 0 }, 'Hessian');
    });
  });
});

describeOnEveryBackend('cross-entropy products against golden numbers', () => {
  interface Given {
    input: GoldenTensor;
    labels: GoldenTensor;
    vectors: { input: GoldenTensor[] };
  }
  it.each(goldenNames('loss_crossentropy'))('%s', async (name) => {
    const golden = readGolden<Given, { cvp: { input_hvp: GoldenTensor[] } }>(name);
    const { input, labels: targets, vectors } = golden.given;
    await inScope(async () => {
      const loss = new CrossEntropy();
      const { saved } = loss.forward(tensorOf(input), tensorOf(targets));
      const v = tf.stack(vectors.input.map((vector) => tf.reshape(tensorOf(vector), input.shape)));
      for (const [k, product] of tf.unstack(loss.hessianVp(saved, v)).entries()) {
        await expectClose(product, golden.expected.cvp.input_hvp[k]!, toleranceOf(golden), `product ${k}`);
      }
    });
  });
});

function squared<S extends Saved>(loss: Loss<S>, saved: S): tf.Tensor {
  const factor = loss.factor(saved);
  return tf.matMul(factor, factor, false, true);
}
