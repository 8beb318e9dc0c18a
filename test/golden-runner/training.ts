import { backpropagate } from '../../src/engine/nn/backward.js';
import type { PlacedParameter } from '../../src/engine/nn/sequential.js';
import type { CgReport } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import {
  activations,
  type Golden,
  type GoldenTensor,
  type LayerSpec,
  networkLayouts,
  networkOf,
  type ParameterLayout,
  type Params,
  tensorOf,
} from '../support/golden.js';
import { type Comparison, norm } from './comparison.js';
import { crossEntropyOf, type LossSpec } from './loss.js';
import { type Eigenbases, optimizerOf, type OptimizerSpec } from './optimizers.js';
import { checkLayers } from './spec.js';

interface StepOfParameter {
  param: string;
  block?: number;
  rows?: number;
  grad_norm: number;
  norm: number;
  cg?: {
    iterations: number;
    converged: boolean;
    rhs_norm: number;
    stop_bound: number;
    residual_norms: GoldenTensor;
  };
}
type TrainingGolden = Golden<
  {
    params: Params;
    batches: { inputs: GoldenTensor[]; labels: GoldenTensor[] };
    eigenbases?: Eigenbases;
  },
  {
    steps: { loss: number; params: StepOfParameter[]; kl_sum?: number; nu?: number }[];
    params_after_step_1: Params;
    final_params: Params;
    final_losses: GoldenTensor;
    final_cov_a?: Params;
    final_cov_g?: Params;
    final_scales?: Params;
  },
  { network: { layers: LayerSpec[] }; loss: LossSpec; optimizer: OptimizerSpec; steps: number }
>;

/** Some steps on the given batches, compared with the reference at each. */
export async function runTraining(golden: TrainingGolden, comparison: Comparison): Promise<void> {
  const { spec, given, expected } = golden;
  checkKeys(golden, comparison);
  checkLayers(spec.network.layers, comparison);
  const { inputs, labels } = given.batches;
  const model = networkOf(spec.network.layers, given.params, inputs[0]);
  const layouts = networkLayouts(spec.network.layers, given.params, inputs[0]);
  const loss = crossEntropyOf(spec.loss);
  const optimizer = optimizerOf(spec.optimizer, loss, given.eigenbases);
  comparison.equal('steps', expected.steps.length, spec.steps);
  for (const [k, wanted] of expected.steps.entries()) {
    const pass = tf.scoped(() => {
      const trace = model.forward(tensorOf(activations(inputs[k]!)));
      const { value, saved } = loss.forward(trace.output, tensorOf(labels[k]!));
      return { trace, value, saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
    });
    await comparison.close(`step ${k}: loss`, pass.value, wanted.loss);
    const { reports, klSum, nu } = await optimizer.step(model, pass);
    if (wanted.kl_sum !== undefined) await comparison.close(`step ${k}: kl_sum`, klSum ?? NaN, wanted.kl_sum);
    if (wanted.nu !== undefined) await comparison.close(`step ${k}: nu`, nu ?? NaN, wanted.nu);
    for (const [i, parameter] of wanted.params.entries()) {
      const placed = model.parameters.find(({ path }) => path === parameter.param)!;
      const ignored = golden.float32.integer_mismatches.some(({ path }) => path.startsWith(`/steps/${k}/params/${i}/`));
      const gradient = pass.gradients.parameters[parameter.param]!;
      const block = blockOf(parameter, wanted.params);
      const what = `step ${k}: ${parameter.param}${block ? ` block ${parameter.block}` : ''}`;
      await comparison.close(`${what}: gradient norm`, norm(await rowsOf(gradient, block)), parameter.grad_norm);
      await comparison.close(`${what}: norm`, norm(await rowsOf(placed.parameter.value, block)), parameter.norm);
      await compareCg(what, reports?.[parameter.param], parameter, ignored, comparison);
    }
    tf.dispose([pass.trace, pass.value, pass.saved, pass.gradients] as unknown as tf.Tensor[]);
    if (k === 0) {
      await compareAll('after step 1', model.parameters, expected.params_after_step_1, layouts, comparison);
    }
  }
  await compareAll('final', model.parameters, expected.final_params, layouts, comparison);
  const finalLosses = tf.tidy(() =>
    tf.stack(
      inputs.map(
        (input, k) => loss.forward(model.forward(tensorOf(activations(input))).output, tensorOf(labels[k]!)).value,
      ),
    ),
  );
  await comparison.close('final losses', finalLosses, expected.final_losses);
  finalLosses.dispose();
  for (const [path, factor] of Object.entries(expected.final_cov_a ?? {})) {
    const layout = factorLayout(given.params[`${path}.weight`]!, layouts[`${path}.weight`]!, factor);
    await comparison.close(`final_cov_a ${path}`, optimizer.factors!().get(path)!.inputs, layout);
  }
  for (const [path, factor] of Object.entries(expected.final_cov_g ?? {})) {
    await comparison.close(`final_cov_g ${path}`, optimizer.factors!().get(path)!.outputs, factor);
  }
  for (const [path, scales] of Object.entries(expected.final_scales ?? {})) {
    await comparison.close(`final_scales ${path}`, optimizer.scales!(path), scales);
  }
  optimizer.dispose();
  model.dispose();
}

function checkKeys({ given, expected }: TrainingGolden, comparison: Comparison): void {
  comparison.onlyKeys('given', given, ['params', 'batches', 'eigenbases']);
  comparison.onlyKeys('expected', expected, [
    ...['steps', 'params_after_step_1', 'final_params', 'final_losses'],
    ...['final_cov_a', 'final_cov_g', 'final_scales'],
  ]);
  for (const step of expected.steps) {
    comparison.onlyKeys('expected.steps', step, ['loss', 'params', 'kl_sum', 'nu']);
    for (const parameter of step.params) {
      comparison.onlyKeys('expected.steps.params', parameter, ['param', 'block', 'rows', 'grad_norm', 'norm', 'cg']);
      comparison.onlyKeys('expected.steps.params.cg', parameter.cg ?? {}, [
        ...['iterations', 'converged', 'rhs_norm', 'stop_bound', 'residual_norms'],
        ...['stop_margin', 'iterations_float32'],
      ]);
    }
  }
}

interface RowRange {
  readonly start: number;
  readonly rows: number;
}

/** The rows of a split parameter that an entry is about: they follow those of the blocks before. */
function blockOf({ param, block, rows }: StepOfParameter, all: readonly StepOfParameter[]): RowRange | null {
  if (block === undefined) return null;
  const before = all.filter((other) => other.param === param && other.block! < block);
  return { start: before.reduce((sum, other) => sum + other.rows!, 0), rows: rows! };
}

async function rowsOf(tensor: tf.Tensor, block: RowRange | null): Promise<number[]> {
  const values = Array.from(await tensor.data());
  if (!block) return values;
  const size = values.length / (tensor.shape[0] ?? 1);
  return values.slice(block.start * size, (block.start + block.rows) * size);
}

async function compareCg(
  what: string,
  reports: readonly CgReport[] | undefined,
  { cg, block }: StepOfParameter,
  countDiffers: boolean,
  comparison: Comparison,
): Promise<void> {
  if (!cg) return;
  const report = reports?.[block ?? 0];
  comparison.equal(`${what}: converged`, report?.converged, cg.converged);
  await comparison.close(`${what}: bound`, report?.bound ?? NaN, cg.stop_bound);
  if (countDiffers) return;
  comparison.equal(`${what}: iterations`, report?.iterations, cg.iterations);
  const last = cg.residual_norms.data.at(-1)!;
  await comparison.close(`${what}: residual`, report?.residualNorm ?? NaN, last, cg.rhs_norm);
}

async function compareAll(
  what: string,
  parameters: readonly PlacedParameter[],
  expected: Params,
  layouts: Record<string, ParameterLayout>,
  comparison: Comparison,
): Promise<void> {
  comparison.equal(`${what} parameters`, parameters.map(({ path }) => path).sort(), Object.keys(expected).sort());
  for (const { path, parameter } of parameters) {
    await comparison.close(`${what} ${path}`, parameter.value, layouts[path]!(expected[path]!));
  }
}

/** A K-FAC factor of the inputs: its rows and columns in the order of a weight's input elements, the bias last. */
function factorLayout(weight: GoldenTensor, layout: ParameterLayout, factor: GoldenTensor): GoldenTensor {
  const [size = 0] = factor.shape;
  const [outputs = 1] = weight.shape;
  const fanIn = weight.data.length / outputs;
  // Number a weight's input elements as the file does, and see where the layout takes them.
  const numbered = layout({ ...weight, data: weight.data.map((_, i) => i % fanIn) });
  const convolution = weight.shape.length === 4;
  const order = Array.from({ length: fanIn }, (_, k) => numbered.data[convolution ? k * outputs : k]!);
  if (size > fanIn) order.push(fanIn);
  return { ...factor, data: order.flatMap((row) => order.map((column) => factor.data[row * size + column]!)) };
}
