import { curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import { backpropagate, type Gradients } from '../../src/engine/nn/backward.js';
import type { Sequential, Trace } from '../../src/engine/nn/sequential.js';
import * as tf from '../../src/engine/tf.js';
import {
  activations,
  type Golden,
  type GoldenTensor,
  type LayerSpec,
  networkLayouts,
  networkOf,
  type Params,
  tensorOf,
} from '../support/golden.js';
import type { Comparison } from './comparison.js';
import { crossEntropyOf, type LossSpec } from './loss.js';
import { checkLayers } from './spec.js';

type Products = Record<string, GoldenTensor[]>;
type NetworkGolden = Golden<
  { params: Params; input: GoldenTensor; labels: GoldenTensor; vectors: Products },
  {
    output: GoldenTensor;
    loss: number;
    grads: Params;
    grad_input: GoldenTensor;
    hbp?: {
      average_input_jacobian: boolean;
      average_parameter_jacobian: boolean;
      modes: SecondOrder[];
      hvp: Products;
    }[];
    cvp?: { modes: SecondOrder[]; hvp: Products }[];
    exact_ggn_vp?: Products;
    exact_hessian_vp?: Products;
  },
  { network: { layers: LayerSpec[] }; loss: LossSpec }
>;

export async function runNetwork({ spec, given, expected }: NetworkGolden, comparison: Comparison): Promise<void> {
  comparison.onlyKeys('expected', expected, [
    ...['output', 'loss', 'grads', 'grad_input', 'hbp', 'cvp', 'exact_ggn_vp', 'exact_hessian_vp'],
  ]);
  const { layers } = spec.network;
  checkLayers(layers, comparison);
  const model = networkOf(layers, given.params, given.input);
  const layouts = networkLayouts(layers, given.params, given.input);
  const loss = crossEntropyOf(spec.loss);
  const trace = model.forward(tensorOf(activations(given.input)));
  const { value, saved } = loss.forward(trace.output, tensorOf(given.labels));
  const gradients = backpropagate(model, trace, loss.gradient(saved));

  await comparison.close('output', trace.output, expected.output);
  await comparison.close('loss', value, expected.loss);
  comparison.equal('parameters', Object.keys(gradients.parameters).sort(), Object.keys(expected.grads).sort());
  for (const [path, gradient] of Object.entries(expected.grads)) {
    await comparison.close(`grad ${path}`, gradients.parameters[path]!, layouts[path]!(gradient));
  }
  await comparison.close('grad_input', inputGradient(model, trace, gradients), activations(expected.grad_input));

  const compareProducts = async (
    what: string,
    curvature: Record<string, LinearOperator>,
    hvp: Products,
  ): Promise<void> => {
    comparison.equal(`${what} parameters`, Object.keys(hvp).sort(), Object.keys(expected.grads).sort());
    for (const [path, products] of Object.entries(hvp)) {
      const operator = curvature[path]!;
      const layout = layouts[path]!;
      for (const [k, product] of products.entries()) {
        const v = tf.reshape(tensorOf(layout(given.vectors[path]![k]!)), [...operator.shape]);
        await comparison.close(`${what} ${path} ${k}`, operator.matvec(v), layout(product));
      }
    }
    Object.values(curvature).forEach((operator) => operator.dispose());
  };
  for (const wanted of expected.hbp ?? []) {
    comparison.onlyKeys('expected.hbp', wanted, [
      ...['average_input_jacobian', 'average_parameter_jacobian', 'modes', 'hvp'],
    ]);
    const [averageInputJacobian, averageParameterJacobian] = [
      wanted.average_input_jacobian,
      wanted.average_parameter_jacobian,
    ];
    for (const secondOrder of wanted.modes) {
      for (const hessians of ['dense', 'auto'] as const) {
        const options = { secondOrder, averageInputJacobian, averageParameterJacobian, hessians };
        const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), options);
        await compareProducts(
          `hbp ${secondOrder} ${averageInputJacobian}/${averageParameterJacobian} ${hessians}`,
          curvature,
          wanted.hvp,
        );
      }
    }
  }
  const exact = (secondOrder: SecondOrder): Record<string, LinearOperator> =>
    curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
  for (const wanted of expected.cvp ?? []) {
    comparison.onlyKeys('expected.cvp', wanted, ['modes', 'hvp']);
    for (const mode of wanted.modes) await compareProducts(`cvp ${mode}`, exact(mode), wanted.hvp);
  }
  if (expected.exact_ggn_vp) await compareProducts('ggn', exact('zero'), expected.exact_ggn_vp);
  if (expected.exact_hessian_vp) await compareProducts('hessian', exact('none'), expected.exact_hessian_vp);
  model.dispose();
}

/** Backpropagation stops at the first layer with parameters; this goes on to the input. */
function inputGradient(model: Sequential, trace: Trace, { outputs }: Gradients): tf.Tensor {
  const first = outputs.findIndex((gradient) => gradient);
  return model.layers
    .slice(0, first + 1)
    .reduceRight((gradient, { layer }, l) => layer.inputVjp(trace.saved[l]!, gradient), outputs[first]!);
}
