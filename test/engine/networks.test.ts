import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak } from '../support/backends.js';
import {
  expectClose,
  goldenNames,
  type GoldenTensor,
  type LayerSpec,
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

describeOnEveryBackend('networks against golden numbers', () => {
  it.each(goldenNames('network_mlp'))('%s: output, loss, gradients', async (name) => {
    const golden = readGolden<Given, Expected, Spec>(name);
    const tolerance = toleranceOf(golden);
    await expectNoLeak(() =>
      tf.tidy(() => {
        const model = networkOf(golden.spec.network.layers, golden.given.params);
        const trace = model.forward(tensorOf(golden.given.input));
        const { value, saved } = loss.forward(trace.output, tensorOf(golden.given.labels));
        expectClose(trace.output, golden.expected.output, tolerance, 'output');
        expectClose(value, [golden.expected.loss], tolerance, 'loss');
        const gradients = backpropagate(model, trace, loss.gradient(saved));
        expect(Object.keys(gradients.parameters).sort()).toEqual(Object.keys(golden.expected.grads).sort());
        for (const [path, expected] of Object.entries(golden.expected.grads)) {
          expectClose(gradients.parameters[path]!, expected, tolerance, path);
        }
        model.dispose();
      }),
    );
  });

  it.each(goldenNames('network_mlp'))('%s: HBP of every parameter', async (name) => {
    const golden = readGolden<Given, Expected, Spec>(name);
    const tolerance = toleranceOf(golden);
    await expectNoLeak(() =>
      tf.tidy(() => {
        const model = networkOf(golden.spec.network.layers, golden.given.params);
        const trace = model.forward(tensorOf(golden.given.input));
        const { saved } = loss.forward(trace.output, tensorOf(golden.given.labels));
        const gradients = backpropagate(model, trace, loss.gradient(saved));
        let products = 0;
        for (const expected of golden.expected.hbp) {
          for (const secondOrder of expected.modes) {
            const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
              secondOrder,
              averageInputJacobian: expected.average_input_jacobian,
              averageParameterJacobian: expected.average_parameter_jacobian,
            });
            for (const [path, [product]] of Object.entries(expected.hvp)) {
              const operator = curvature[path]!;
              const v = tf.reshape(tensorOf(golden.given.vectors[path]![0]!), operator.shape as number[]);
              expectClose(operator.matvec(v), product!, tolerance, `${secondOrder} ${path}`);
              products++;
            }
            Object.values(curvature).forEach((operator) => operator.dispose());
          }
        }
        expect(products).toBeGreaterThanOrEqual(4 * model.parameters.length);
        model.dispose();
      }),
    );
  });

  it('is exact for one sample: HBP without modification is the Hessian', () => {
    const golden = readGolden<Given, Expected, Spec>('network_mlp_b1');
    tf.tidy(() => {
      const model = networkOf(golden.spec.network.layers, golden.given.params);
      const trace = model.forward(tensorOf(golden.given.input));
      const { saved } = loss.forward(trace.output, tensorOf(golden.given.labels));
      const gradients = backpropagate(model, trace, loss.gradient(saved));
      const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
        secondOrder: 'none',
      });
      for (const [path, [product]] of Object.entries(golden.expected.exact_hessian_vp)) {
        const operator = curvature[path]!;
        const v = tf.reshape(tensorOf(golden.given.vectors[path]![0]!), operator.shape as number[]);
        expectClose(operator.matvec(v), product!, toleranceOf(golden), path);
        operator.dispose();
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
  it.each(goldenNames('loss_crossentropy'))('%s', (name) => {
    const golden = readGolden<Given, LossExpected>(name);
    const tolerance = toleranceOf(golden);
    tf.tidy(() => {
      const { value, saved } = loss.forward(tensorOf(golden.given.input), tensorOf(golden.given.labels));
      expectClose(value, [golden.expected.loss], tolerance, 'loss');
      expectClose(loss.gradient(saved), golden.expected.grad_input, tolerance, 'gradient');
      expectClose(loss.averagedHessian(saved), golden.expected.hbp.batch_averaged_hessian, tolerance, 'Hessian');
    });
  });

  it('keeps its digits for large logits', () => {
    tf.tidy(() => {
      const { value, saved } = loss.forward(tf.tensor2d([[1000, 0, -1000]]), tf.tensor1d([1], 'int32'));
      expectClose(value, [1000], { rtol: 1e-6, atol: 0 });
      expectClose(loss.gradient(saved), [1, -1, 0], { rtol: 0, atol: 1e-6 });
    });
  });
});
