import fc from 'fast-check';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import {
  curvatureProducts,
  inputCurvature,
  lossHessian,
  networkCurvature,
} from '../../src/engine/curvature/cvp/index.js';
import { diagonalOperator, lowRank, sumOf } from '../../src/engine/curvature/algebra.js';
import { hessianBackpropagation } from '../../src/engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import type { SecondOrder } from '../../src/engine/curvature/second-order.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import * as tf from '../../src/engine/tf.js';
import {
  describeOnEveryBackend,
  expectNoLeak,
  inScope,
  isSlow,
  numbersOf,
  numbersOfAll,
  partOn,
  runsHere,
} from '../support/backends.js';
import {
  activations,
  expectClose,
  goldenNames,
  type GoldenTensor,
  layerOf,
  type LayerSpec,
  networkLayouts,
  networkOf,
  parameterLayout,
  type Params,
  readGolden,
  type SingleSpec,
  tensorOf,
  toleranceOf,
} from '../support/golden.js';
import { again, type NetworkCase, networkCases, type Pass, passOf } from '../support/random-network.js';

const modes: SecondOrder[] = ['none', 'zero', 'abs', 'clip'];
const tolerance = { rtol: 2e-5, atol: 1e-6 };

const blocksOf = ({ model, trace, gradients, loss, lossSaved }: Pass, secondOrder: SecondOrder) =>
  curvatureProducts(model, trace, gradients, lossHessian(loss, lossSaved), { secondOrder });
const wholeOf = ({ model, trace, gradients, loss, lossSaved }: Pass, secondOrder: SecondOrder) =>
  networkCurvature(model, trace, gradients, lossHessian(loss, lossSaved), { secondOrder });
const inputOf = ({ model, input, trace, gradients, loss, lossSaved }: Pass, secondOrder: SecondOrder) =>
  inputCurvature(model, trace, gradients, lossHessian(loss, lossSaved), input.shape, { secondOrder });

async function disposing<T>(operators: LinearOperator[], body: () => T | Promise<T>): Promise<T> {
  const result = await body();
  operators.forEach((operator) => operator.dispose());
  return result;
}

type Vectors = Record<string, GoldenTensor[]>;

interface LayerGiven {
  params: Params;
  input: GoldenTensor;
  upstream_grad: GoldenTensor;
  cvp_output_operator: { diag: GoldenTensor; factor: GoldenTensor };
  vectors: Vectors;
}
interface LayerExpected {
  output: GoldenTensor;
  cvp: { modes: SecondOrder[]; input_hvp: GoldenTensor[]; hvp: Vectors }[];
}

/** Where a part is taken: a batch of one size for each geometry that the others do not hold, and one mode with a second-order term. */
const oneBatch = (name: string): boolean => /_b[35]$/.test(name) && !/_(3x3_pad1|linear_nobias)_/.test(name);
const oneMode = (mode: SecondOrder): boolean => mode === 'abs';

describeOnEveryBackend('exact products of layers against golden numbers', (backend) => {
  it.each(partOn(backend, goldenNames('layer_'), oneBatch))('%s', async (name) => {
    const golden = readGolden<LayerGiven, LayerExpected, { layer: SingleSpec }>(name);
    const { spec, given, expected } = golden;
    const tolerance = toleranceOf(golden);
    await inScope(async () => {
      const input = tensorOf(activations(given.input));
      const model = new Sequential([layerOf(spec.layer, given.params)]);
      const trace = model.forward(input);
      // What Flatten puts out still has its elements in the order of the picture.
      const { shape } = spec.layer.type === 'Flatten' ? given.input : expected.output;
      const onOutput = ({ data }: Pick<GoldenTensor, 'data'>): tf.Tensor =>
        tf.reshape(tensorOf(activations({ shape, dtype: 'float64', data })), trace.output.shape);
      const onInput = (vector: GoldenTensor): GoldenTensor => activations({ ...vector, shape: given.input.shape });
      const { diag, factor } = given.cvp_output_operator;
      const columns = [0, 1].map((k) => onOutput({ data: factor.data.filter((_, i) => i % 2 === k) }));
      const output = (): LinearOperator => sumOf([diagonalOperator(onOutput(diag)), lowRank(tf.stack(columns))]);
      const gradients = backpropagate(model, trace, onOutput(given.upstream_grad));
      for (const { modes: listed, input_hvp, hvp } of expected.cvp) {
        for (const secondOrder of partOn(backend, listed, oneMode)) {
          const onInputs = inputCurvature(model, trace, gradients, output(), input.shape, { secondOrder });
          for (const [k, product] of input_hvp.entries()) {
            const v = tensorOf(onInput(given.vectors.input![k]!));
            await expectClose(onInputs.matvec(v), onInput(product), tolerance, `${secondOrder} input ${k}`);
          }
          onInputs.dispose();
          if (model.parameters.length === 0) continue;
          const operators = curvatureProducts(model, trace, gradients, output(), { secondOrder });
          for (const { parameter } of model.parameters) {
            const operator = operators[`0.${parameter.name}`]!;
            const layout = parameterLayout(given.params[parameter.name]!.shape);
            for (const [k, product] of hvp[parameter.name]!.entries()) {
              const v = tensorOf(layout(given.vectors[parameter.name]![k]!));
              await expectClose(
                operator.matvec(v),
                layout(product),
                tolerance,
                `${secondOrder} ${parameter.name} ${k}`,
              );
            }
            operator.dispose();
          }
        }
      }
      model.dispose();
    });
  });
});

interface NetworkGiven {
  params: Params;
  input: GoldenTensor;
  labels: GoldenTensor;
  vectors: Vectors;
}
interface NetworkExpected {
  cvp: { modes: SecondOrder[]; hvp: Vectors }[];
  exact_ggn_vp: Vectors;
  exact_hessian_vp: Vectors;
}

describeOnEveryBackend('exact products of networks against golden numbers', (backend) => {
  it.each(partOn(backend, goldenNames('network_'), (name) => ['network_cnn_b6', 'network_mlp_b6'].includes(name)))(
    '%s',
    async (name) => {
      const golden = readGolden<NetworkGiven, NetworkExpected, { network: { layers: LayerSpec[] } }>(name);
      const { given, expected } = golden;
      const { layers } = golden.spec.network;
      const layouts = networkLayouts(layers, given.params, given.input);
      await expectNoLeak(() =>
        inScope(async () => {
          const model = networkOf(layers, given.params, given.input);
          const loss = new CrossEntropy();
          const trace = model.forward(tensorOf(activations(given.input)));
          const { saved } = loss.forward(trace.output, tensorOf(given.labels));
          const gradients = backpropagate(model, trace, loss.gradient(saved));
          const listed = expected.cvp.flatMap((entry) => entry.modes.map((mode) => ({ mode, hvp: entry.hvp })));
          expect(listed.map(({ mode }) => mode).sort()).toEqual([...modes].sort());
          const exact = [
            { mode: 'zero', hvp: expected.exact_ggn_vp },
            { mode: 'none', hvp: expected.exact_hessian_vp },
          ] as const;
          for (const { mode, hvp } of partOn(backend, [...listed, ...exact], ({ mode }) => oneMode(mode))) {
            const hessian = lossHessian(loss, saved);
            const operators = curvatureProducts(model, trace, gradients, hessian, { secondOrder: mode });
            expect(Object.keys(operators).sort()).toEqual(Object.keys(hvp).sort());
            for (const [path, operator] of Object.entries(operators)) {
              const v = tensorOf(layouts[path]!(given.vectors[path]![0]!));
              await expectClose(
                operator.matvec(v),
                layouts[path]!(hvp[path]![0]!),
                toleranceOf(golden),
                `${mode} ${path}`,
              );
              operator.dispose();
            }
          }
          model.dispose();
        }),
      );
    },
  );
});

describe.each([
  ['fully connected', { pictures: false }, 12],
  ['pictures', { pictures: true }, 3],
] as const)('%s networks:', (_, kind, numRuns) => {
  // On webgpu in one mode, on one network that is fully connected; pictures are with the golden numbers there.
  describeOnEveryBackend('laws of exact curvature products', (backend) => {
    const itHere = isSlow(backend) && kind.pictures ? it.skip : it;
    const law = async (
      options: { smooth?: boolean; samples?: number },
      check: (pass: Pass) => Promise<void>,
    ): Promise<void> => {
      await fc.assert(
        fc.asyncProperty(networkCases({ ...kind, ...options }), (networkCase) =>
          inScope(async () => {
            const pass = passOf(networkCase);
            await check(pass);
            pass.model.dispose();
          }),
        ),
        { numRuns: runsHere(numRuns) },
      );
    };

    itHere('the network is symmetric, its diagonal blocks are those of the parameters', async () => {
      await law({}, async (pass) => {
        for (const mode of partOn(backend, modes, oneMode)) {
          const blocks = blocksOf(pass, mode);
          const whole = wholeOf(pass, mode);
          await disposing([whole, ...Object.values(blocks)], async () => {
            const dense = whole.toDense();
            await expectClose(tf.transpose(dense), dense, tolerance, `${mode}: symmetry`);
            let begin = 0;
            for (const { path, parameter } of pass.model.parameters) {
              const { size } = parameter.value;
              const slice = tf.slice(dense, [begin, begin], [size, size]);
              await expectClose(blocks[path]!.toDense(), slice, tolerance, `${mode} ${path}`);
              begin += size;
            }
            expect(begin).toBe(dense.shape[0]);
          });
        }
      });
    });

    itHere('zero, abs and clip are positive semi-definite, for the parameters and for the input', async () => {
      await law({}, async (pass) => {
        for (const mode of partOn(backend, modes.slice(1), oneMode)) {
          for (const operator of [wholeOf(pass, mode), inputOf(pass, mode)]) {
            const dense = await disposing([operator], () => operator.toDense());
            const values = await eigenvalues(dense);
            expect(Math.min(...values)).toBeGreaterThanOrEqual(-1e-5 * Math.max(...values) - 1e-7);
          }
        }
      });
    });

    itHere('none is the derivative of the gradient: difference quotients along random directions', async () => {
      await law({ smooth: true }, async (pass) => {
        const whole = wholeOf(pass, 'none');
        const values = pass.model.parameters.map(({ parameter }) => tf.clone(parameter.value));
        const direction = values.map(({ shape }, i) => tf.randomNormal(shape, 0, 1, 'float32', i + 1));
        const v = tf.concat(direction.map((part) => tf.reshape(part, [-1])));
        const length = tf.norm(v);
        const product = await disposing([whole], () => whole.matvec(tf.div(v, length)));
        const gradientAt = (h: number): tf.Tensor => {
          const moved = values.map((value, i) => tf.add(value, tf.div(tf.mul(h, direction[i]!), length)));
          const { model, loss, input, target } = pass;
          const evaluate = model.parameters.reduce<() => Pick<Pass, 'gradients'>>(
            (inner, { parameter }, i) =>
              () =>
                parameter.withValue(moved[i]!, inner),
            () => again(model, loss, input, target),
          );
          const { parameters } = evaluate().gradients;
          return tf.concat(model.parameters.map(({ path }) => tf.reshape(parameters[path]!, [-1])));
        };
        const quotient = (h: number): tf.Tensor => tf.div(tf.sub(gradientAt(h), gradientAt(-h)), 2 * h);
        // Richardson's combination: the error of the quotient is O(h^4), that of float32 about 1e-6 of the gradient.
        const derivative = tf.div(tf.sub(tf.mul(4, quotient(0.03)), quotient(0.06)), 3);
        const scale = Math.max(1, ...(await numbersOf(tf.concat(gradientsOf(pass)))).map(Math.abs));
        await expectClose(product, derivative, { rtol: 2e-3, atol: 1e-4 * scale }, 'H v');
      });
    });

    itHere('is Hessian backpropagation for a single sample', async () => {
      await law({ samples: 1 }, async (pass) => {
        for (const secondOrder of partOn(backend, ['none', 'zero'] as const, (mode) => mode === 'none')) {
          const exact = blocksOf(pass, secondOrder);
          const { model, trace, gradients, loss, lossSaved } = pass;
          const backpropagated = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(lossSaved), {
            secondOrder,
          });
          await disposing([...Object.values(exact), ...Object.values(backpropagated)], async () => {
            expect(Object.keys(exact).sort()).toEqual(Object.keys(backpropagated).sort());
            for (const [path, operator] of Object.entries(exact)) {
              const dense = await numbersOf(operator.toDense());
              await expectClose(backpropagated[path]!.toDense(), dense, tolerance, `${secondOrder} ${path}`);
            }
          });
        }
      });
    });
  });
});

describeOnEveryBackend('operators of exact products', (backend) => {
  const modesHere = partOn(backend, modes, oneMode);
  const networkCase: NetworkCase = {
    pictures: true,
    activation: 'tanh',
    pooling: 'max',
    hidden: [],
    outputs: 3,
    samples: 3,
    loss: 'cross-entropy',
    reduction: 'mean',
    seed: 7,
  };

  it('keep the weights of the forward pass', async () => {
    await inScope(async () => {
      const pass = passOf(networkCase);
      const operators = modesHere.flatMap((mode) => [wholeOf(pass, mode), ...Object.values(blocksOf(pass, mode))]);
      const vectors = operators.map(({ shape }) => tf.randomNormal([...shape], 0, 1, 'float32', 1));
      const products = (): Promise<number[][]> =>
        numbersOfAll(operators.map((operator, i) => operator.matvec(vectors[i]!)));
      const before = await products();
      for (const { parameter } of pass.model.parameters) parameter.assign(tf.mul(2, parameter.value));
      expect(await products()).toEqual(before);
      operators.forEach((operator) => operator.dispose());
      pass.model.dispose();
    });
  });

  it('take many vectors at once', async () => {
    await inScope(async () => {
      const pass = passOf(networkCase);
      for (const operator of [wholeOf(pass, 'none'), inputOf(pass, 'abs'), ...Object.values(blocksOf(pass, 'clip'))]) {
        const vs = tf.randomNormal([3, ...operator.shape], 0, 1, 'float32', 1);
        const single = tf.stack(tf.unstack(vs).map((v) => operator.matvec(v)));
        await expectClose(operator.matmat(vs), single, { rtol: 1e-6, atol: 1e-7 });
        operator.dispose();
      }
      pass.model.dispose();
    });
  });

  it('leave no tensors, each disposed at its own time and outside of any tidy', async () => {
    await expectNoLeak(async () => {
      const kept: LinearOperator[] = [];
      tf.tidy(() => {
        const pass = passOf(networkCase);
        for (const mode of modesHere)
          kept.push(wholeOf(pass, mode), inputOf(pass, mode), ...Object.values(blocksOf(pass, mode)));
        pass.model.dispose();
      });
      for (const operator of kept) {
        const v = tf.ones([...operator.shape]);
        const product = operator.matvec(v);
        expect((await numbersOf(product)).every(Number.isFinite)).toBe(true);
        tf.dispose([v, product]);
        operator.dispose();
        operator.dispose();
      }
    });
  });

  it('refuse a network without parameters', () => {
    tf.tidy(() => {
      const pass = passOf(networkCase);
      const model = new Sequential([new Sigmoid()]);
      const bare = { ...pass, model };
      expect(() => blocksOf(bare, 'zero')).toThrow(/without parameters has no parameter curvature/);
      pass.model.dispose();
    });
  });
});

async function eigenvalues(dense: tf.Tensor): Promise<number[]> {
  const [n = 0] = dense.shape;
  const matrix = Matrix.from1DArray(n, n, await numbersOf(dense));
  return new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues;
}

function gradientsOf({ gradients }: Pass): tf.Tensor[] {
  return Object.values(gradients.parameters).map((gradient) => tf.reshape(gradient, [-1]));
}
