import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak } from '../support/backends.js';
import {
  expectClose,
  goldenNames,
  type GoldenTensor,
  layerOf,
  type LayerSpec,
  type Params,
  readGolden,
  tensorOf,
  toleranceOf,
} from '../support/golden.js';

interface Given {
  params: Params;
  input: GoldenTensor;
  upstream_grad: GoldenTensor;
  hbp_output_hessian: GoldenTensor;
}
interface Expected {
  output: GoldenTensor;
  grad_input: GoldenTensor;
  grad_params: Params;
  hbp: {
    average_input_jacobian: boolean | null;
    average_parameter_jacobian: boolean | null;
    modes: SecondOrder[];
    input_hessian: GoldenTensor;
    hvp: Record<string, GoldenTensor[]>;
  }[];
}
type Vectors = { vectors: Record<string, GoldenTensor[]> };

const names = goldenNames('layer_');

describeOnEveryBackend('layers against golden numbers', () => {
  it.each(names)('%s: output and gradients', (name) => {
    const golden = readGolden<Given, Expected, { layer: LayerSpec }>(name);
    const tolerance = toleranceOf(golden);
    tf.tidy(() => {
      const layer = layerOf(golden.spec.layer, golden.given.params);
      const { output, saved } = layer.forward(tensorOf(golden.given.input));
      expectClose(output, golden.expected.output, tolerance, 'output');
      const g = tensorOf(golden.given.upstream_grad);
      expectClose(layer.inputVjp(saved, g), golden.expected.grad_input, tolerance, 'grad_input');
      for (const [parameter, expected] of Object.entries(golden.expected.grad_params)) {
        expectClose(layer.paramVjp(saved, parameter, g), expected, tolerance, parameter);
      }
    });
  });

  it.each(names)('%s: Hessian backpropagation, every mode and averaging', (name) => {
    const golden = readGolden<Given & Vectors, Expected, { layer: LayerSpec }>(name);
    const tolerance = toleranceOf(golden);
    const { given } = golden;
    tf.tidy(() => {
      const layer = layerOf(golden.spec.layer, given.params);
      // A parameterised layer in front, so that the Hessian passes on through the one under test.
      const input = tensorOf(given.input);
      const flat = input.size / (input.shape[0] ?? 1);
      const front = new Linear(tf.eye(flat), null);
      const model = new Sequential(input.rank === 2 ? [front, layer] : [layer]);
      const trace = model.forward(input);
      const gradients = backpropagate(model, trace, tensorOf(given.upstream_grad));
      const place = input.rank === 2 ? '1' : '0';
      for (const expected of golden.expected.hbp) {
        for (const secondOrder of expected.modes) {
          const curvature = hessianBackpropagation(model, trace, gradients, tensorOf(given.hbp_output_hessian), {
            secondOrder,
            averageInputJacobian: expected.average_input_jacobian ?? true,
            averageParameterJacobian: expected.average_parameter_jacobian ?? true,
          });
          for (const [parameter, products] of Object.entries(expected.hvp)) {
            const operator = curvature[`${place}.${parameter}`]!;
            products.forEach((product, k) => {
              const v = tf.reshape(tensorOf(given.vectors[parameter]![k]!), operator.shape as number[]);
              expectClose(operator.matvec(v), product, tolerance, `${secondOrder} ${parameter} ${k}`);
            });
          }
          Object.values(curvature).forEach((operator) => operator.dispose());
        }
      }
      model.dispose();
    });
  });

  it.each(names)('%s: <J v, u> = <v, J^T u> and a leading vector axis', (name) => {
    const golden = readGolden<Given, Expected, { layer: LayerSpec }>(name);
    tf.tidy(() => {
      const layer = layerOf(golden.spec.layer, golden.given.params);
      const { output, saved } = layer.forward(tensorOf(golden.given.input));
      const u = tf.randomNormal([3, ...output.shape], 0, 1, 'float32', 1);
      const check = (jvp: (v: tf.Tensor) => tf.Tensor, vjp: (u: tf.Tensor) => tf.Tensor, shape: number[]): void => {
        const v = tf.randomNormal([3, ...shape], 0, 1, 'float32', 2);
        const [jv, jtu] = [jvp(v), vjp(u)];
        const left = tf.sum(tf.reshape(tf.mul(jv, u), [3, -1]), 1);
        const right = tf.sum(tf.reshape(tf.mul(v, jtu), [3, -1]), 1);
        expectClose(left, Array.from(right.dataSync()), { rtol: 1e-5, atol: 1e-5 });
        const one = tf.reshape(tf.slice(v, [1], [1]), shape);
        const slice = tf.reshape(tf.slice(jv, [1], [1]), output.shape);
        expectClose(jvp(one), Array.from(slice.dataSync()), { rtol: 1e-6, atol: 1e-6 });
        const oneU = tf.reshape(tf.slice(u, [1], [1]), output.shape);
        const sliceU = tf.reshape(tf.slice(jtu, [1], [1]), shape);
        expectClose(vjp(oneU), Array.from(sliceU.dataSync()), { rtol: 1e-6, atol: 1e-6 });
      };
      check(
        (v) => layer.inputJvp(saved, v),
        (w) => layer.inputVjp(saved, w),
        golden.given.input.shape,
      );
      for (const { name: parameter, shape } of layer.parameters) {
        check(
          (v) => layer.paramJvp(saved, parameter, v),
          (w) => layer.paramVjp(saved, parameter, w),
          shape,
        );
      }
    });
  });

  it('leaves no tensors behind', async () => {
    await expectNoLeak(() => {
      const golden = readGolden<Given, Expected, { layer: LayerSpec }>('layer_linear_bias_b5');
      const model = new Sequential([layerOf(golden.spec.layer, golden.given.params)]);
      tf.tidy(() => {
        const trace = model.forward(tensorOf(golden.given.input));
        const gradients = backpropagate(model, trace, tensorOf(golden.given.upstream_grad));
        const curvature = hessianBackpropagation(model, trace, gradients, tensorOf(golden.given.hbp_output_hessian), {
          blocks: 3,
        });
        Object.values(curvature).forEach((operator) => operator.dispose());
      });
      model.dispose();
    });
  });
});
