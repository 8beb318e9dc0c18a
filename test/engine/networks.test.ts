import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { AvgPool2d } from '../../src/engine/nn/avg-pool2d.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Softplus } from '../../src/engine/nn/softplus.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, numbersOf, partOn, takesPart } from '../support/backends.js';
import {
  activations,
  expectClose,
  goldenNames,
  type GoldenTensor,
  type LayerSpec,
  networkLayouts,
  networkOf,
  type Params,
  readGolden,
  tensorOf,
  toleranceOf,
} from '../support/golden.js';

interface Given {
  params: Params;
  input: GoldenTensor;
  labels: GoldenTensor;
  vectors: Record<string, GoldenTensor[]>;
}
interface Expected {
  output: GoldenTensor;
  loss: number;
  grads: Params;
  hbp: {
    average_input_jacobian: boolean;
    average_parameter_jacobian: boolean;
    modes: SecondOrder[];
    hvp: Record<string, GoldenTensor[]>;
  }[];
  exact_hessian_vp: Record<string, GoldenTensor[]>;
}
interface Spec {
  network: { layers: LayerSpec[] };
}
const loss = new CrossEntropy();
/** The reference has no Hessian backpropagation through zero padding. */
const withHbp = goldenNames('network_').filter((name) => !name.includes('3c3d'));

/** A golden case with its network, in the engine's order of axes. */
function readNetwork(name: string) {
  const golden = readGolden<Given, Expected, Spec>(name);
  const { given, expected, spec } = golden;
  const layouts = networkLayouts(spec.network.layers, given.params, given.input);
  const laidOut = (path: string, tensor: GoldenTensor): GoldenTensor => layouts[path]!(tensor);
  return {
    expected,
    laidOut,
    tolerance: toleranceOf(golden),
    model: () => networkOf(spec.network.layers, given.params, given.input),
    input: () => tensorOf(activations(given.input)),
    labels: () => tensorOf(given.labels),
    vector: (path: string) => tensorOf(laidOut(path, given.vectors[path]![0]!)),
  };
}

/** Where a part is taken: one network of convolutions and one without; of Hessian backpropagation one mode, everything averaged. */
const smallPart = ['network_cnn_b6', 'network_mlp_b6'];

describeOnEveryBackend('networks against golden numbers', (backend) => {
  it.each(partOn(backend, goldenNames('network_'), (name) => smallPart.includes(name)))(
    '%s: output, loss, gradients',
    async (name) => {
      const golden = readNetwork(name);
      const { tolerance } = golden;
      await expectNoLeak(() =>
        inScope(async () => {
          const model = golden.model();
          const trace = model.forward(golden.input());
          const { value, saved } = loss.forward(trace.output, golden.labels());
          await expectClose(trace.output, golden.expected.output, tolerance, 'output');
          await expectClose(value, [golden.expected.loss], tolerance, 'loss');
          for (const outputs of ['all', 'unpooled', 'parametric', 'none'] as const) {
            const { parameters } = backpropagate(model, trace, loss.gradient(saved), { outputs });
            expect(Object.keys(parameters).sort()).toEqual(Object.keys(golden.expected.grads).sort());
            for (const [path, expected] of Object.entries(golden.expected.grads)) {
              await expectClose(parameters[path]!, golden.laidOut(path, expected), tolerance, `${outputs}: ${path}`);
            }
          }
          model.dispose();
        }),
      );
    },
  );

  it.each(partOn(backend, withHbp, (name) => smallPart.includes(name)))('%s: HBP of every parameter', async (name) => {
    const golden = readNetwork(name);
    const { tolerance } = golden;
    await expectNoLeak(() =>
      inScope(async () => {
        const model = golden.model();
        const trace = model.forward(golden.input());
        const { saved } = loss.forward(trace.output, golden.labels());
        const gradients = backpropagate(model, trace, loss.gradient(saved));
        let products = 0;
        const averagings = partOn(
          backend,
          golden.expected.hbp,
          (each) => each.average_input_jacobian && each.average_parameter_jacobian,
        );
        for (const expected of averagings) {
          const modes = partOn(backend, expected.modes, (mode) => mode === 'abs');
          const forms = modes.flatMap((mode) =>
            (['dense', 'auto'] as const).map((hessians) => [mode, hessians] as const),
          );
          for (const [secondOrder, hessians] of forms) {
            const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
              secondOrder,
              hessians,
              averageInputJacobian: expected.average_input_jacobian,
              averageParameterJacobian: expected.average_parameter_jacobian,
            });
            for (const [path, [product]] of Object.entries(expected.hvp)) {
              const operator = curvature[path]!;
              const v = tf.reshape(golden.vector(path), [...operator.shape]);
              await expectClose(
                operator.matvec(v),
                golden.laidOut(path, product!),
                tolerance,
                `${secondOrder} ${hessians} ${path}`,
              );
              products++;
            }
            Object.values(curvature).forEach((operator) => operator.dispose());
          }
        }
        expect(products).toBeGreaterThanOrEqual((takesPart(backend) ? 2 : 8) * model.parameters.length);
        model.dispose();
      }),
    );
  });

  it('is exact for one sample: HBP without modification is the Hessian', async () => {
    const golden = readNetwork('network_mlp_b1');
    await inScope(async () => {
      const model = golden.model();
      const trace = model.forward(golden.input());
      const { saved } = loss.forward(trace.output, golden.labels());
      const gradients = backpropagate(model, trace, loss.gradient(saved));
      const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
        secondOrder: 'none',
      });
      for (const [path, [product]] of Object.entries(golden.expected.exact_hessian_vp)) {
        const operator = curvature[path]!;
        const v = tf.reshape(golden.vector(path), [...operator.shape]);
        await expectClose(operator.matvec(v), golden.laidOut(path, product!), golden.tolerance, path);
        operator.dispose();
      }
      model.dispose();
    });
  });
});

describeOnEveryBackend('Hessian backpropagation of pictures', () => {
  const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.6, 'float32', seed);
  const network = (): Sequential =>
    new Sequential([
      new Conv2d(normal([3, 2, 2, 4], 1), normal([4], 2), { padding: [1, 0, 1, 1] }),
      new Tanh(),
      new MaxPool2d({ kernel: 3, stride: 2, padding: 1 }),
      new Sequential([
        new ZeroPad2d([0, 1, 1, 0]),
        new Conv2d(normal([2, 2, 2, 4], 3), normal([4], 4), { stride: [2, 1], dilation: [1, 2], groups: 2 }),
      ]),
      new Softplus(),
      new AvgPool2d({ kernel: 2, stride: 1, padding: 'same' }),
      new Flatten(),
      new Linear(normal([3, 24], 5), normal([3], 6)),
    ]);

  it('is exact for one sample: every block is the difference quotient of the gradient', async () => {
    await inScope(async () => {
      const model = network();
      const x = normal([1, 6, 6, 2], 7);
      const gradientsNow = () => {
        const trace = model.forward(x);
        const { saved } = loss.forward(trace.output, tf.tensor1d([1], 'int32'));
        return { trace, saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
      };
      const { trace, saved, gradients } = gradientsNow();
      const hessian = loss.averagedHessian(saved);
      const curvature = hessianBackpropagation(model, trace, gradients, hessian, { secondOrder: 'none' });
      expect(Object.keys(curvature)).toHaveLength(model.parameters.length);
      const h = 0.005;
      for (const { path, parameter } of model.parameters) {
        const v = normal(parameter.shape, 8);
        const value = tf.clone(parameter.value);
        const at = (step: number): tf.Tensor => {
          parameter.assign(tf.add(value, tf.mul(step, v)));
          return gradientsNow().gradients.parameters[path]!;
        };
        const quotient = tf.div(tf.sub(at(h), at(-h)), 2 * h);
        parameter.assign(value);
        const expected = await numbersOf(quotient);
        await expectClose(curvature[path]!.matvec(v), expected, { rtol: 2e-3, atol: 1e-4 }, path);
        curvature[path]!.dispose();
      }
      model.dispose();
    });
  });
});

describeOnEveryBackend('cross-entropy against golden numbers', () => {
  interface LossExpected {
    loss: number;
    grad_input: GoldenTensor;
    hbp: { batch_averaged_hessian: GoldenTensor };
  }
  it.each(goldenNames('loss_crossentropy'))('%s', async (name) => {
    const golden = readGolden<Given, LossExpected>(name);
    const tolerance = toleranceOf(golden);
    await inScope(async () => {
      const { value, saved } = loss.forward(tensorOf(golden.given.input), tensorOf(golden.given.labels));
      await expectClose(value, [golden.expected.loss], tolerance, 'loss');
      await expectClose(loss.gradient(saved), golden.expected.grad_input, tolerance, 'gradient');
      await expectClose(loss.averagedHessian(saved), golden.expected.hbp.batch_averaged_hessian, tolerance, 'Hessian');
    });
  });

  it('keeps its digits for large logits', async () => {
    await inScope(async () => {
      const { value, saved } = loss.forward(tf.tensor2d([[1000, 0, -1000]]), tf.tensor1d([1], 'int32'));
      await expectClose(value, [1000], { rtol: 1e-6, atol: 0 });
      await expectClose(loss.gradient(saved), [1, -1, 0], { rtol: 0, atol: 1e-6 });
    });
  });
});

it('has no curvature to collect where there are no parameters', () => {
  tf.tidy(() => {
    const model = new Sequential([new Sigmoid()]);
    const trace = model.forward(tf.ones([2, 3]));
    const gradients = backpropagate(model, trace, tf.ones([2, 3]));
    expect(hessianBackpropagation(model, trace, gradients, tf.ones([3, 3]))).toEqual({});
  });
});
