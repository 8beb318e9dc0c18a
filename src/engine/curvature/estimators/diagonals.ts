import { backpropagate } from '../../nn/backward.js';
import type { ElementwiseLayer, Layer, Saved } from '../../nn/layer.js';
import type { Loss } from '../../nn/loss.js';
import type { Sequential } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { unitVectors } from '../operator.js';
import { modified, type SecondOrder } from '../second-order.js';

type Diagonals = Record<string, tf.Tensor>;

/** One layer of a forward pass, with what went into it. */
interface Stage {
  readonly path: string;
  readonly layer: Layer;
  readonly saved: Saved;
  readonly input: tf.Tensor;
}

/**
 * Columns F of a factor of curvature at some layer's output, [V, N, ...out], and their signs [V, N] (null: all plus):
 * the curvature there is sum_v sign_vn F_vn F_vn^T for every sample n.
 */
interface Factor {
  readonly columns: tf.Tensor;
  readonly signs: tf.Tensor | null;
}

/**
 * The exact diagonal of every parameter's curvature block, of the GGN (`zero`, the default), the Hessian (`none`) or the
 * positive-curvature Hessian (`abs`, `clip`).
 *
 * The loss Hessian of a sample is S S^T, the second-order term of an activation diag(r) = sum_k r_k e_k e_k^T; the columns
 * of S and the sqrt|r_k| e_k go back through the transposed Jacobians, and the diagonal collects their squares, each with
 * its sign. Linear layers do that for all samples at once, other layers sample by sample. Beyond the GGN that means as
 * many columns as a sample has activations: small networks only.
 *
 * @returns tensors by place, in the shape of the parameters; the caller disposes them
 */
export function curvatureDiagonals(
  model: Sequential,
  loss: Loss,
  input: tf.Tensor,
  target: tf.Tensor,
  { secondOrder = 'zero' }: { readonly secondOrder?: SecondOrder } = {},
): Diagonals {
  return tf.scoped(() => {
    const { stages, output } = forward(model, input);
    const { saved: lossSaved } = loss.forward(output, target);
    const trace = { output, saved: stages.map(({ saved }) => saved) };
    const { outputs } = backpropagate(model, trace, loss.gradient(lossSaved));
    const first = stages.findIndex(({ layer }) => layer.parameters.length > 0);
    const last = stages.length - 1;
    const diagonals: Diagonals = {};
    const collect = (from: number, factor: Factor): void =>
      addSquares(diagonals, stages.slice(first, from + 1), factor);

    const lossColumns = tf.transpose(loss.factor(lossSaved), [2, 0, 1]);
    for (const columns of chunks(lossColumns, stages)) collect(last, { columns, signs: null });
    if (secondOrder === 'zero') return diagonals;
    for (let l = last; l > first && first >= 0; l--) {
      const { layer, saved } = stages[l]!;
      const term = 'secondOrder' in layer ? (layer as ElementwiseLayer).secondOrder(saved, outputs[l]!) : null;
      if (!term) continue;
      for (const factor of residualFactors(modified(term, secondOrder), stages)) collect(l - 1, factor);
    }
    return diagonals;
  });
}

function forward(model: Sequential, input: tf.Tensor): { stages: Stage[]; output: tf.Tensor } {
  let x = input;
  const stages = model.layers.map(({ path, layer }) => {
    const before = x;
    const { output, saved } = layer.forward(x);
    x = output;
    return { path, layer, saved, input: before };
  });
  return { stages, output: x };
}

/** Take a factor at the output of the last stage back to the first, and add what it gives each parameter on the way. */
function addSquares(diagonals: Diagonals, stages: readonly Stage[], factor: Factor): void {
  const parts = tf.scoped(() => {
    const squares: Diagonals = {};
    let { columns } = factor;
    for (const stage of [...stages].reverse()) {
      for (const { name } of stage.layer.parameters) {
        squares[`${stage.path}.${name}`] = squaredVjp(stage, name, { columns, signs: factor.signs });
      }
      if (stage !== stages[0]) columns = stage.layer.inputVjp(stage.saved, columns);
    }
    return squares;
  });
  for (const [path, part] of Object.entries(parts)) {
    const before = diagonals[path];
    diagonals[path] = before ? tf.add(before, part) : part;
    if (before) tf.dispose([before, part]);
  }
}

/** sum_vn sign_vn (J_wn^T F_vn)^2, elementwise, in the shape of the parameter. */
function squaredVjp(stage: Stage, name: string, { columns, signs }: Factor): tf.Tensor {
  const { layer, input } = stage;
  const [vectors = 0, samples = 0] = columns.shape;
  if (layer.kind === 'linear') {
    const squares = tf.square(columns);
    const perSample = tf.sum(signs ? tf.mul(tf.expandDims(signs, 2), squares) : squares, 0);
    return name === 'bias' ? tf.sum(perSample, 0) : tf.matMul(perSample, tf.square(input), true, false);
  }
  const rest = columns.shape.slice(2);
  let total: tf.Tensor | null = null;
  for (let n = 0; n < samples; n++) {
    const before: tf.Tensor | null = total;
    total = tf.scoped(() => {
      const { saved } = layer.forward(tf.slice(input, [n], [1]));
      const column = tf.slice(columns, [0, n, ...rest.map(() => 0)], [vectors, 1, ...rest]);
      const squares = tf.square(layer.paramVjp(saved, name, column));
      const [, ...shape] = squares.shape;
      const weights = signs && tf.reshape(tf.slice(signs, [0, n], [vectors, 1]), [vectors, ...shape.map(() => 1)]);
      const sum = tf.sum(weights ? tf.mul(weights, squares) : squares, 0);
      return before ? tf.add(before, sum) : sum;
    });
    before?.dispose();
  }
  return total!;
}

/** diag(r) for r [N, ...], as factors with one column for each unit of a sample. */
function* residualFactors(residual: tf.Tensor, stages: readonly Stage[]): Generator<Factor> {
  const [samples = 0, ...sample] = residual.shape;
  const flat = tf.reshape(residual, [samples, -1]);
  const units = flat.shape[1] ?? 0;
  const [roots, signs] = [tf.sqrt(tf.abs(flat)), tf.transpose(tf.sign(flat))];
  const size = chunkSize(samples, stages);
  for (let begin = 0; begin < units; begin += size) {
    const count = Math.min(size, units - begin);
    const rows = unitVectors(begin, begin + count, units);
    const columns = tf.reshape(tf.mul(tf.expandDims(rows, 1), roots), [count, samples, ...sample]);
    const factor = { columns, signs: tf.slice(signs, [begin, 0], [count, samples]) };
    yield factor;
    tf.dispose([rows, columns, factor.signs]);
  }
}

function* chunks(columns: tf.Tensor, stages: readonly Stage[]): Generator<tf.Tensor> {
  const [vectors = 0, samples = 0] = columns.shape;
  const size = chunkSize(samples, stages);
  for (let begin = 0; begin < vectors; begin += size) {
    yield tf.slice(columns, [begin], [Math.min(size, vectors - begin)]);
  }
}

/** Most elements of the columns at any layer, 16 MiB. */
const mostElements = 2 ** 22;

function chunkSize(samples: number, stages: readonly Stage[]): number {
  const widest = Math.max(...stages.map(({ input }) => input.size / samples));
  return Math.max(1, Math.floor(mostElements / (samples * widest)));
}
