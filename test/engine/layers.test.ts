import type { SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { rules } from '../../src/engine/curvature/hbp/rules.js';
import type { Layer } from '../../src/engine/nn/layer.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope } from '../support/backends.js';
import {
  activations,
  expectClose,
  goldenNames,
  type GoldenTensor,
  layerOf,
  parameterLayout,
  type Params,
  readGolden,
  sampleHessian,
  type SingleSpec,
  tensorOf,
  toleranceOf,
} from '../support/golden.js';

interface Given {
  params: Params;
  input: GoldenTensor;
  upstream_grad: GoldenTensor;
  hbp_output_hessian: GoldenTensor;
  vectors: Record<string, GoldenTensor[]>;
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

/** A golden case in the engine's order of axes. */
function readLayer(name: string) {
  const golden = readGolden<Given, Expected, { layer: SingleSpec }>(name);
  const { given, expected, spec } = golden;
  const [, ...inputShape] = given.input.shape;
  const [samples = 0, ...outputShape] = expected.output.shape;
  // What Flatten makes of a picture is in another order, too.
  const outputSample = spec.layer.type === 'Flatten' ? inputShape : outputShape;
  const ofOutput = (tensor: GoldenTensor): tf.Tensor => {
    const { data, dtype } = activations({ ...tensor, shape: [samples, ...outputSample] });
    const shape = spec.layer.type === 'Flatten' || outputShape.length < 3 ? outputShape : chwToHwc(outputShape);
    return tensorOf({ data, dtype, shape: [samples, ...shape] });
  };
  return {
    tolerance: toleranceOf(golden),
    layer: (): Layer => layerOf(spec.layer, given.params),
    input: () => tensorOf(activations(given.input)),
    upstream: () => ofOutput(given.upstream_grad),
    outputHessian: () => tensorOf(sampleHessian(given.hbp_output_hessian, outputSample)),
    output: () => ofOutput(expected.output),
    inputGradient: () => activations(expected.grad_input),
    parameterGradients: Object.entries(expected.grad_params),
    layoutOf: (parameter: string) => parameterLayout(given.params[parameter]!.shape),
    vectors: given.vectors,
    hbp: expected.hbp.map((averaging) => ({
      ...averaging,
      input_hessian: sampleHessian(averaging.input_hessian, inputShape),
    })),
  };
}

function chwToHwc([channels = 0, height = 0, width = 0]: number[]): number[] {
  return [height, width, channels];
}

const names = goldenNames('layer_');

describeOnEveryBackend('layers against golden numbers', () => {
  it.each(names)('%s: output and gradients', async (name) => {
    const golden = readLayer(name);
    await inScope(async () => {
      const layer = golden.layer();
      const { output, saved } = layer.forward(golden.input());
      const expected = golden.output();
      expect(output.shape).toEqual(expected.shape);
      await expectClose(output, expected, golden.tolerance, 'output');
      const g = golden.upstream();
      await expectClose(layer.inputVjp(saved, g), golden.inputGradient(), golden.tolerance, 'grad_input');
      for (const [parameter, gradient] of golden.parameterGradients) {
        const laidOut = golden.layoutOf(parameter)(gradient);
        await expectClose(layer.paramVjp(saved, parameter, g), laidOut, golden.tolerance, parameter);
      }
    });
  });

  it.each(names)('%s: Hessian backpropagation, every mode and averaging', async (name) => {
    const golden = readLayer(name);
    await inScope(async () => {
      const layer = golden.layer();
      const { saved } = layer.forward(golden.input());
      const rule = rules[layer.kind];
      let products = 0;
      for (const expected of golden.hbp) {
        for (const secondOrder of expected.modes) {
          const context = {
            layer,
            saved,
            outputHessian: golden.outputHessian(),
            outputGradient: golden.upstream(),
            options: {
              secondOrder,
              averageInputJacobian: expected.average_input_jacobian ?? true,
              averageParameterJacobian: expected.average_parameter_jacobian ?? true,
              blocks: 1,
              hessians: 'dense' as const,
              memoryLimit: Infinity,
            },
          };
          await expectClose(
            rule.inputHessian(context),
            expected.input_hessian,
            golden.tolerance,
            `${secondOrder} input`,
          );
          const curvature = rule.parameterCurvature?.(context) ?? {};
          for (const [parameter, wanted] of Object.entries(expected.hvp)) {
            const operator = curvature[parameter]!;
            const layout = golden.layoutOf(parameter);
            for (const [k, product] of wanted.entries()) {
              const v = tensorOf(layout(golden.vectors[parameter]![k]!));
              const got = operator.matvec(tf.reshape(v, [...operator.shape]));
              await expectClose(got, layout(product), golden.tolerance, `${secondOrder} ${parameter} ${k}`);
              products++;
            }
          }
          Object.values(curvature).forEach((operator) => operator.dispose());
        }
      }
      expect(products).toBeGreaterThanOrEqual(8 * layer.parameters.length);
      layer.parameters.forEach((parameter) => parameter.dispose());
    });
  });

  it.each(names)('%s: leaves no tensors behind', async (name) => {
    const golden = readLayer(name);
    await expectNoLeak(() =>
      tf.tidy(() => {
        const layer = golden.layer();
        const { saved } = layer.forward(golden.input());
        const context = {
          layer,
          saved,
          outputHessian: golden.outputHessian(),
          outputGradient: golden.upstream(),
          options: {
            secondOrder: 'none' as const,
            averageInputJacobian: true,
            averageParameterJacobian: true,
            blocks: 2,
            hessians: 'dense' as const,
            memoryLimit: Infinity,
          },
        };
        rules[layer.kind].inputHessian(context);
        const curvature = rules[layer.kind].parameterCurvature?.(context) ?? {};
        Object.values(curvature).forEach((operator) => operator.dispose());
        layer.parameters.forEach((parameter) => parameter.dispose());
      }),
    );
  });
});
