import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { ConfigError } from '../../src/errors.js';
import { networkCurvature, lossHessian, curvatureProducts } from '../../src/engine/curvature/cvp/index.js';
import {
  type FactorsByLayer,
  kfac,
  kflr,
  kfra,
  kroneckerOperators,
} from '../../src/engine/curvature/kronecker-factors/index.js';
import { hessianBackpropagation } from '../../src/engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import * as tf from '../../src/engine/tf.js';
import { randomOf } from '../../src/lab/random.js';
import { describeOnEveryBackend, inScope, isSlow, numbersOf, numbersOfAll } from '../support/backends.js';
import { expectClose } from '../support/golden.js';
import { again, type NetworkCase, type Pass, passOf } from '../support/random-network.js';

const rows: NetworkCase = {
  pictures: false,
  activation: 'tanh',
  pooling: 'mean',
  hidden: [4, 3],
  outputs: 3,
  samples: 1,
  loss: 'cross-entropy',
  reduction: 'mean',
  seed: 5,
};
const losses = ['cross-entropy', 'mse', 'bce'] as const;
const close = { rtol: 2e-5, atol: 1e-6 };

async function withPass(networkCase: NetworkCase, body: (pass: Pass) => void | Promise<void>): Promise<void> {
  await inScope(async () => {
    const pass = passOf(networkCase);
    await body(pass);
    pass.model.dispose();
  });
}

/** Convolutions of one group without anything before them. */
function convolutional(samples: number): Pass {
  const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.6, 'float32', seed);
  const model = new Sequential([
    new Conv2d(normal([2, 2, 2, 3], 1), normal([3], 2), { padding: 1, stride: 2 }),
    new Conv2d(normal([2, 1, 3, 2], 3), null),
    new Flatten(),
  ]);
  const [input, target] = [normal([samples, 3, 2, 2], 4), tf.tensor1d(Array<number>(samples).fill(1), 'int32')];
  const loss = new CrossEntropy();
  return { model, input, target, loss, ...again(model, loss, input, target) };
}

function factorsOf({ model, trace, gradients, loss, lossSaved }: Pass): FactorsByLayer {
  return kflr(model, trace, gradients, loss, lossSaved);
}

/** Exact blocks of the GGN, by place. */
function exactBlocks({ model, trace, gradients, loss, lossSaved }: Pass): Record<string, LinearOperator> {
  return curvatureProducts(model, trace, gradients, lossHessian(loss, lossSaved));
}

function dispose(operators: Record<string, LinearOperator>): void {
  for (const operator of Object.values(operators)) operator.dispose();
}

describeOnEveryBackend('KFLR', () => {
  it.each(losses.flatMap((loss) => (['mean', 'sum'] as const).map((reduction) => ({ loss, reduction }))))(
    'is the exact GGN block of linear layers for one sample: $loss, $reduction',
    async ({ loss, reduction }) => {
      await withPass({ ...rows, loss, reduction }, async (pass) => {
        const [approximate, exact] = [kroneckerOperators(pass.model, factorsOf(pass)), exactBlocks(pass)];
        expect(Object.keys(approximate).sort()).toEqual(Object.keys(exact).sort());
        for (const [path, operator] of Object.entries(approximate)) {
          expect(operator.shape).toEqual(exact[path]!.shape);
          await expectClose(operator.toDense(), exact[path]!.toDense(), close, path);
        }
        dispose(approximate);
        dispose(exact);
      });
    },
  );

  it('joins weight and bias exactly for one sample: B (x) A is their GGN', async () => {
    await withPass({ ...rows, hidden: [2] }, async (pass) => {
      const { A, B } = factorsOf(pass)['0.0']!;
      const whole = networkCurvature(pass.model, pass.trace, pass.gradients, lossHessian(pass.loss, pass.lossSaved));
      const joint = await numbersOf(tf.slice(whole.toDense(), [0, 0], [8, 8]));
      const [a, b] = [await numbersOf(A), await numbersOf(B)];
      // Row-major weight [2, 3], then bias [2]: element (o, i) of M, i = 3 is the bias.
      const places = [
        ...[0, 1].flatMap((o) => [0, 1, 2].map((i) => [o, i] as const)),
        [0, 3] as const,
        [1, 3] as const,
      ];
      const expected = places.flatMap(([o, i]) => places.map(([p, j]) => b[o * 2 + p]! * a[i * 4 + j]!));
      await expectClose(expected, joint, close);
      whole.dispose();
    });
  });

  it('is exact for the biases of linear layers and any number of samples', async () => {
    await withPass({ ...rows, samples: 5 }, async (pass) => {
      const [approximate, exact] = [kroneckerOperators(pass.model, factorsOf(pass)), exactBlocks(pass)];
      for (const path of ['0.0.bias', '1.0.bias']) {
        await expectClose(approximate[path]!.toDense(), exact[path]!.toDense(), close, path);
      }
      dispose(approximate);
      dispose(exact);
    });
  });

  it('has the factors of the definition for convolutions', async () => {
    await inScope(async () => {
      const pass = convolutional(2);
      const { A, B } = factorsOf(pass)['0']!;
      const layer = pass.model.layers[0]!.layer as Conv2d;
      const [, positions = 0] = layer.unfold(pass.input).shape;
      // Column by column and position by position, from the unfolded input and the layers' own products.
      const inputs = (await layer.unfold(pass.input).array()) as number[][][];
      const a = inputs.flat().map((window) => [...window, 1]);
      const factor = tf.unstack(pass.loss.factor(pass.lossSaved), 2);
      const b: number[][] = [];
      for (const column of factor) {
        const back = [2, 1].reduce((y, l) => pass.model.layers[l]!.layer.inputVjp(pass.trace.saved[l]!, y), column);
        b.push(...((await tf.reshape(back, [-1, 3]).array()) as number[][]));
      }
      const gram = (vectors: number[][], scale: number): number[] =>
        vectors[0]!.flatMap((_, i) =>
          vectors[0]!.map((_, j) => vectors.reduce((sum, v) => sum + v[i]! * v[j]!, 0) / scale),
        );
      expect([A.shape, B.shape]).toEqual([
        [9, 9],
        [3, 3],
      ]);
      await expectClose(A, gram(a, 2), close, 'A');
      await expectClose(B, gram(b, positions), close, 'B');
      const operators = kroneckerOperators(pass.model, factorsOf(pass));
      await expectClose(operators['0.bias']!.toDense(), gram(b, 1), close, 'bias');
      expect(operators['1.weight']!.shape).toEqual([2, 1, 3, 2]);
      dispose(operators);
      pass.model.dispose();
    });
  });

  it('is the exact GGN of a convolution with one position and one sample', async () => {
    await inScope(async () => {
      const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.6, 'float32', seed);
      const model = new Sequential([new Conv2d(normal([3, 2, 2, 3], 1), normal([3], 2)), new Flatten()]);
      const [input, target] = [normal([1, 3, 2, 2], 4), tf.tensor1d([1], 'int32')];
      const loss = new CrossEntropy();
      const pass: Pass = { model, input, target, loss, ...again(model, loss, input, target) };
      const [approximate, exact] = [kroneckerOperators(model, factorsOf(pass)), exactBlocks(pass)];
      for (const path of ['0.weight', '0.bias']) {
        expect(approximate[path]!.shape).toEqual(exact[path]!.shape);
        await expectClose(approximate[path]!.toDense(), exact[path]!.toDense(), close, path);
      }
      dispose(approximate);
      dispose(exact);
      model.dispose();
    });
  });

  it('refuses convolutions in groups, all of them at once', () => {
    tf.tidy(() => {
      const grouped = (): Conv2d => new Conv2d(tf.ones([1, 1, 1, 2]), null, { groups: 2 });
      const model = new Sequential([grouped(), new Sequential([grouped()]), new Flatten()]);
      const [loss, input] = [new CrossEntropy(), tf.ones([1, 1, 1, 2])];
      const pass = { model, input, target: input, loss, ...again(model, loss, input, tf.tensor1d([0], 'int32')) };
      expect(() => factorsOf(pass)).toThrow(ConfigError);
      expect(() => factorsOf(pass)).toThrow(/layer 0 .*HBP parameter blocks.*; .*layer 1\.0 /);
      model.dispose();
    });
  });

  it('leaves nothing behind but the factors, and operators own what they need', async () => {
    await inScope(async () => {
      const pass = convolutional(2);
      const use = async (): Promise<number[]> => {
        const before = tf.memory().numTensors;
        const factors = factorsOf(pass);
        const made = tf.memory().numTensors - before;
        const operators = kroneckerOperators(pass.model, factors);
        tf.dispose(Object.values(factors).flatMap(({ A, B }) => [A, B]));
        const trace = operators['0.weight']!.trace();
        expect((await numbersOf(trace))[0]).toBeGreaterThan(0);
        dispose(operators);
        trace.dispose();
        return [made, tf.memory().numTensors - before];
      };
      await use(); // constants become resident
      expect(await use()).toEqual([4, 0]);
      pass.model.dispose();
    });
  });
});

describeOnEveryBackend('KFAC', (backend) => {
  // 15,000 samples for each loss: not on webgpu.
  (isSlow(backend) ? it.skip : it).each(losses)('estimates KFLR without bias: %s', async (loss) => {
    await withPass({ ...rows, loss, samples: 4 }, async (pass) => {
      const { model, trace, gradients, lossSaved } = pass;
      const random = randomOf(xoroshiro128plus(11));
      const [exact, repeats] = [factorsOf(pass), 50];
      const estimates = Array.from({ length: repeats }, () =>
        kfac(model, trace, gradients, pass.loss, lossSaved, { samples: 300, random }),
      );
      for (const [path, { A, B }] of Object.entries(exact)) {
        await expectClose(estimates[0]![path]!.A, A, { rtol: 0, atol: 0 }, `${path} A`);
        const draws = await numbersOfAll(estimates.map((factors) => factors[path]!.B));
        const exactB = await numbersOf(B);
        const largest = Math.max(...exactB);
        exactB.forEach((wanted, k) => {
          const mean = draws.reduce((sum, b) => sum + b[k]!, 0) / repeats;
          const variance = draws.reduce((sum, b) => sum + (b[k]! - mean) ** 2, 0) / (repeats - 1);
          const error = Math.sqrt(variance / repeats);
          expect(error).toBeLessThan(0.02 * largest); // else the test would say nothing
          expect(Math.abs(mean - wanted)).toBeLessThan(4.5 * error + 1e-5 * largest);
        });
      }
    });
  });

  it('is reproducible, and one sample gives B of rank one for one row', async () => {
    await withPass(rows, async (pass) => {
      const { model, trace, gradients, loss, lossSaved } = pass;
      const once = (): FactorsByLayer =>
        kfac(model, trace, gradients, loss, lossSaved, { random: randomOf(xoroshiro128plus(3)) });
      const [{ B }, again] = [once()['0.0']!, once()['0.0']!.B];
      expect(await numbersOf(B)).toEqual(await numbersOf(again));
      const b = await numbersOf(B);
      expect(b[0]).toBeGreaterThan(0);
      await expectClose([b[0]! * b[5]!], [b[1]! * b[4]!], close);
    });
  });

  it('draws classes by their probabilities, even if one is certain', async () => {
    await inScope(async () => {
      const loss = new CrossEntropy('sum');
      const { saved } = loss.forward(tf.tensor2d([[0, 80, 0]]), tf.tensor1d([0], 'int32'));
      const random = randomOf(xoroshiro128plus(3));
      await expectClose(loss.sampledFactor(saved, 50, random), Array<number>(150).fill(0), { rtol: 0, atol: 1e-6 });
      expect(loss.sampledFactor(saved, 50, { uniform: () => 1 - 2 ** -53 }).shape).toEqual([1, 3, 50]);
    });
  });

  it('refuses a number of samples that is none', async () => {
    await withPass(rows, ({ model, trace, gradients, loss, lossSaved }) => {
      const options = { samples: 0, random: { uniform: Math.random } };
      expect(() => kfac(model, trace, gradients, loss, lossSaved, options)).toThrow('samples must be');
    });
  });

  it.each(losses)('leaves nothing behind but the factors: %s', async (loss) => {
    await withPass({ ...rows, loss }, (pass) => {
      const { model, trace, gradients, lossSaved } = pass;
      const made = (): number => {
        const before = tf.memory().numTensors;
        kfac(model, trace, gradients, pass.loss, lossSaved, { random: { uniform: () => 0.4 } });
        return tf.memory().numTensors - before;
      };
      made(); // constants become resident
      expect(made()).toBe(6);
    });
  });
});

describeOnEveryBackend('KFRA', () => {
  it('agrees with KFLR for one sample, where averages are exact', async () => {
    await withPass(rows, async (pass) => {
      const { model, trace, gradients, loss, lossSaved } = pass;
      const [recursive, exact] = [kfra(model, trace, gradients, loss.averagedHessian(lossSaved)), exactBlocks(pass)];
      for (const [path, operator] of Object.entries(recursive)) {
        await expectClose(operator.toDense(), exact[path]!.toDense(), close, path);
      }
      dispose(recursive);
      dispose(exact);
    });
  });

  it('follows the published recursion: G_x = (W^T G W) * E[phi phi^T], G (x) E[x x^T]', async () => {
    await withPass({ ...rows, hidden: [4], samples: 3 }, async (pass) => {
      const { model, trace, gradients, loss, lossSaved, input } = pass;
      const recursive = kfra(model, trace, gradients, loss.averagedHessian(lossSaved));
      const averaged = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(lossSaved));
      const weight = model.parameters.at(-1)!.parameter.value;
      const slope = tf.sub(1, tf.square(tf.tanh(model.layers[0]!.layer.forward(input).output)));
      const seen = tf.matMul(weight, tf.matMul(loss.averagedHessian(lossSaved), weight), true, false);
      const G = tf.mul(seen, tf.div(tf.matMul(slope, slope, true, false), 3));
      const xx = tf.div(tf.matMul(input, input, true, false), 3);
      const [g, x] = [(await G.array()) as number[][], (await xx.array()) as number[][]];
      const expected = g.flatMap((row) => x.flatMap((xs) => row.flatMap((value) => xs.map((each) => value * each))));
      await expectClose(recursive['0.0.weight']!.toDense(), expected, close);
      const ofAveraged = expectClose(averaged['0.0.weight']!.toDense(), expected, close);
      await expect(ofAveraged).rejects.toThrow('off by');
      dispose(recursive);
      dispose(averaged);
    });
  });
});
