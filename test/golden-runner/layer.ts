import { curvatureProducts, inputCurvature } from '../../src/engine/curvature/cvp/index.js';
import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { rules } from '../../src/engine/curvature/hbp/rules.js';
import { type LinearOperator, SymmetricOperator } from '../../src/engine/curvature/operator.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import * as tf from '../../src/engine/tf.js';
import {
  activations,
  type Golden,
  type GoldenTensor,
  type LayerSpec,
  networkOf,
  parameterLayout,
  type Params,
  sampleHessian,
  tensorOf,
} from '../support/golden.js';
import type { Comparison } from './comparison.js';
import { checkLayers } from './spec.js';

type Products = Record<string, GoldenTensor[]>;
interface Given {
  params: Params;
  input: GoldenTensor;
  upstream_grad: GoldenTensor;
  hbp_output_hessian: GoldenTensor;
  cvp_output_operator: { diag: GoldenTensor; factor: GoldenTensor };
  vectors: Products;
}
interface Expected {
  output: GoldenTensor;
  grad_input: GoldenTensor;
  grad_params: Params;
  hbp?: {
    average_input_jacobian: boolean | null;
    average_parameter_jacobian: boolean | null;
    modes: SecondOrder[];
    input_hessian: GoldenTensor;
    hvp: Products;
  }[];
  cvp?: { modes: SecondOrder[]; input_hvp: GoldenTensor[]; hvp: Products }[];
}
type LayerGolden = Golden<Given, Expected, { layer: LayerSpec }>;

/** The layer after forward and backward pass, and how numbers of the file get into the engine's order. */
type Subject = ReturnType<typeof prepare>;

export async function runLayer({ spec, given, expected }: LayerGolden, comparison: Comparison): Promise<void> {
  comparison.onlyKeys('expected', expected, ['output', 'grad_input', 'grad_params', 'hbp', 'cvp']);
  checkLayers([spec.layer], comparison);
  const subject = prepare(spec.layer, given);
  const { layer, saved, gradients } = subject;
  await comparison.close('output', subject.trace.output, subject.ofOutput(expected.output));
  const gradInput = layer.inputVjp(saved, gradients.outputs[0]!);
  await comparison.close('grad_input', gradInput, subject.ofInput(expected.grad_input));
  for (const [name, gradient] of Object.entries(expected.grad_params)) {
    await comparison.close(`grad ${name}`, gradients.parameters[`0.${name}`]!, subject.ofParameter(name, gradient));
  }
  for (const wanted of expected.hbp ?? []) await compareHbp(subject, wanted, comparison);
  for (const wanted of expected.cvp ?? []) await compareCvp(subject, wanted, comparison);
  subject.model.dispose();
}

function prepare(spec: LayerSpec, given: Given) {
  const params = Object.entries(given.params);
  const model = networkOf([spec], Object.fromEntries(params.map(([name, value]) => [`0.${name}`, value])));
  const layouts = Object.fromEntries(params.map(([name, { shape }]) => [name, parameterLayout(shape)]));
  const inputShape = given.input.shape;
  // A flattened picture keeps the order of the picture's elements.
  const outputShape = spec.type === 'Flatten' ? inputShape : given.upstream_grad.shape;
  const ofInput = (tensor: GoldenTensor): GoldenTensor => activations({ ...tensor, shape: inputShape });
  const ofOutput = (tensor: GoldenTensor): GoldenTensor => activations({ ...tensor, shape: outputShape });
  const trace = model.forward(tensorOf(ofInput(given.input)));
  const outputTensor = (tensor: GoldenTensor): tf.Tensor => tf.reshape(tensorOf(ofOutput(tensor)), trace.output.shape);
  return {
    given,
    model,
    layer: model.layers[0]!.layer,
    trace,
    saved: trace.saved[0]!,
    gradients: backpropagate(model, trace, outputTensor(given.upstream_grad)),
    inputSample: inputShape.slice(1),
    outputSample: outputShape.slice(1),
    ofInput,
    ofOutput,
    ofParameter: (name: string, tensor: GoldenTensor): GoldenTensor => layouts[name]!(tensor),
    outputTensor,
  };
}

async function compareHbp(
  subject: Subject,
  wanted: NonNullable<Expected['hbp']>[number],
  comparison: Comparison,
): Promise<void> {
  comparison.onlyKeys('expected.hbp', wanted, [
    ...['average_input_jacobian', 'average_parameter_jacobian', 'modes', 'input_hessian', 'hvp'],
  ]);
  const { given, model, layer, trace, saved, gradients, inputSample, outputSample } = subject;
  const [averageInput, averageParameter] = [wanted.average_input_jacobian, wanted.average_parameter_jacobian];
  const outputHessian = tensorOf(sampleHessian(given.hbp_output_hessian, outputSample));
  const outputGradient = gradients.outputs[0]!;
  for (const secondOrder of wanted.modes) {
    const options = {
      secondOrder,
      averageInputJacobian: averageInput ?? true,
      averageParameterJacobian: averageParameter ?? true,
      blocks: 1,
      hessians: 'dense' as const,
      memoryLimit: Infinity,
    };
    const what = `hbp ${secondOrder} ${averageInput}/${averageParameter}:`;
    const hessian = rules[layer.kind].inputHessian({ layer, saved, outputHessian, outputGradient, options });
    await comparison.close(`${what} input`, hessian, sampleHessian(wanted.input_hessian, inputSample));
    if (layer.parameters.length === 0) continue;
    const curvature = hessianBackpropagation(model, trace, gradients, outputHessian, options);
    await compareProducts(what, subject, curvature, wanted.hvp, comparison);
  }
}

async function compareCvp(
  subject: Subject,
  wanted: NonNullable<Expected['cvp']>[number],
  comparison: Comparison,
): Promise<void> {
  comparison.onlyKeys('expected.cvp', wanted, ['modes', 'input_hvp', 'hvp']);
  const { given, model, layer, trace, gradients, ofInput } = subject;
  const { shape } = ofInput(given.input);
  for (const secondOrder of wanted.modes) {
    const what = `cvp ${secondOrder}:`;
    const onInput = inputCurvature(model, trace, gradients, outputOperator(subject), shape, { secondOrder });
    for (const [k, product] of wanted.input_hvp.entries()) {
      const v = tensorOf(ofInput(given.vectors['input']![k]!));
      await comparison.close(`${what} input ${k}`, onInput.matvec(v), ofInput(product));
    }
    onInput.dispose();
    if (layer.parameters.length === 0) continue;
    const curvature = curvatureProducts(model, trace, gradients, outputOperator(subject), { secondOrder });
    await compareProducts(what, subject, curvature, wanted.hvp, comparison);
  }
}

/** Products of the parameters' curvature with the vectors of the file; takes the curvature over. */
async function compareProducts(
  what: string,
  { given, ofParameter }: Subject,
  curvature: Record<string, LinearOperator>,
  hvp: Products,
  comparison: Comparison,
): Promise<void> {
  comparison.equal(`${what} parameters`, Object.keys(hvp).sort(), Object.keys(given.params).sort());
  for (const [name, products] of Object.entries(hvp)) {
    const operator = curvature[`0.${name}`]!;
    for (const [k, product] of products.entries()) {
      const v = tf.reshape(tensorOf(ofParameter(name, given.vectors[name]![k]!)), [...operator.shape]);
      await comparison.close(`${what} ${name} ${k}`, operator.matvec(v), ofParameter(name, product));
    }
  }
  Object.values(curvature).forEach((operator) => operator.dispose());
}

function outputOperator({ given, outputTensor }: Subject): LinearOperator {
  const { diag, factor } = given.cvp_output_operator;
  const [, columns = 0] = factor.shape;
  const column = (c: number): GoldenTensor => ({
    ...diag,
    data: diag.data.map((_, i) => factor.data[i * columns + c]!),
  });
  return new DiagonalPlusFactor(
    outputTensor(diag),
    Array.from({ length: columns }, (_, c) => outputTensor(column(c))),
  );
}

/** v -> d * v + F F^T v over the whole batch of outputs. */
class DiagonalPlusFactor extends SymmetricOperator {
  override readonly shape: readonly number[];

  /** @param columns  of F, in the shape of the outputs */
  constructor(
    private readonly d: tf.Tensor,
    private readonly columns: readonly tf.Tensor[],
  ) {
    super();
    this.shape = d.shape;
    [d, ...columns].forEach((tensor) => tf.keep(tensor));
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const rows = tf.reshape(tf.stack([...this.columns]), [this.columns.length, -1]);
    const coefficients = tf.matMul(tf.reshape(vs, [-1, this.d.size]), rows, false, true);
    return tf.add(tf.mul(vs, this.d), tf.reshape(tf.matMul(coefficients, rows), vs.shape));
  }

  override dispose(): void {
    tf.dispose([this.d, ...this.columns]);
  }
}
