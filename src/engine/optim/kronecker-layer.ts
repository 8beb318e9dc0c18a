import { ConfigError } from '../../errors.js';
import { patchCovariance } from '../curvature/patch-covariance.js';
import { gram } from '../linalg/gram.js';
import type { Gradients } from '../nn/backward.js';
import type { Conv2d } from '../nn/conv2d.js';
import type { Layer, LayerKind, Saved } from '../nn/layer.js';
import type { Linear } from '../nn/linear.js';
import type { Sequential, Trace } from '../nn/sequential.js';
import * as tf from '../tf.js';

/**
 * A layer with parameters at one pass, as K-FAC sees it: at each of S positions of each of N samples, an output is M a
 * with one matrix M [o, i] = [weight | bias] and an input a [i] that ends in 1 if there is a bias.
 */
export interface KroneckerLayer {
  /** Place of the layer: "0", "2.1". */
  readonly path: string;
  readonly samples: number;
  readonly positions: number;
  readonly rows: number;
  readonly columns: number;
  /** The inputs a, [N S, i]; new tensors. */
  inputs(): tf.Tensor;
  /** sum a a^T, [i, i], with no need of `inputs`. */
  inputProducts(): tf.Tensor;
  /** Gradients of the mean loss with respect to the outputs, [N S, o]. */
  outputGradients(): tf.Tensor;
  /** The gradient with respect to M, [o, i]. */
  gradient(): tf.Tensor;
  /** A matrix [o, i] as changes of the parameters, by place. */
  toParameters(matrix: tf.Tensor): Record<string, tf.Tensor>;
}

/** What differs between the kinds of layers. */
interface Shape {
  /** The inputs without the column of ones, [N S, k]. */
  inputs(): tf.Tensor;
  /** X^T X for these inputs X, or for [X | 1] with `ones`. */
  inputProducts(ones: boolean): tf.Tensor;
  /** A tensor in the shape of the weight to [o, k], and back. */
  toMatrix(weight: tf.Tensor): tf.Tensor;
  fromMatrix(matrix: tf.Tensor): tf.Tensor;
}

const shapes: Partial<Record<LayerKind, (layer: never, saved: Saved) => Shape>> = {
  linear: (_layer: Linear, saved) => ({
    inputs: () => saved['input']!,
    inputProducts: (ones) => gram(saved['input']!, { ones }),
    toMatrix: (weight) => weight,
    fromMatrix: (matrix) => matrix,
  }),
  conv2d: (layer: Conv2d, saved) => {
    const { shape } = layer.weight;
    const outputs = shape.at(-1) ?? 0;
    return {
      inputs: () => {
        const rows = layer.unfold(saved['input']!);
        return tf.reshape(rows, [-1, rows.shape.at(-1) ?? 0]);
      },
      inputProducts: (ones) => patchCovariance(saved['input']!, layer.place(saved['input']!), { ones }),
      toMatrix: (weight) => tf.transpose(tf.reshape(weight, [-1, outputs])),
      fromMatrix: (matrix) => tf.reshape(tf.transpose(matrix), shape),
    };
  },
};

/**
 * The layers with parameters, first layer first.
 *
 * @throws ConfigError  a layer has parameters but is not of a kind that K-FAC knows
 */
export function kroneckerLayers(model: Sequential, trace: Trace, gradients: Gradients): KroneckerLayer[] {
  return model.layers.flatMap(({ path, layer }, l) =>
    layer.parameters.length === 0
      ? []
      : [kroneckerLayer(path, layer, trace.saved[l]!, gradients.outputs[l]!, gradients.parameters)],
  );
}

/** Why there are no Kronecker factors for a layer with parameters; null if there are. */
export function kroneckerRefusal(layer: Layer): string | null {
  if (!(layer.kind in shapes)) return `K-FAC has rules for ${Object.keys(shapes).join(', ')}, not for ${layer.kind}`;
  if ('groups' in layer && layer.groups !== 1) return 'K-FAC has no rule for convolutions in groups';
  return null;
}

function kroneckerLayer(
  path: string,
  layer: Layer,
  saved: Saved,
  outputGradient: tf.Tensor,
  gradients: Readonly<Record<string, tf.Tensor>>,
): KroneckerLayer {
  const refusal = kroneckerRefusal(layer);
  if (refusal) throw new ConfigError(`layer ${path}: ${refusal}`);
  const shape = shapes[layer.kind]!(layer as never, saved);
  const [samples = 0] = outputGradient.shape;
  const rows = outputGradient.shape.at(-1) ?? 0;
  const [weight, bias] = [`${path}.weight`, `${path}.bias`];
  const hasBias = layer.parameters.some(({ name }) => name === 'bias');
  const fanIn = gradients[weight]!.size / rows;
  return {
    path,
    samples,
    positions: outputGradient.size / (samples * rows),
    rows,
    columns: hasBias ? fanIn + 1 : fanIn,
    inputs: () => {
      const inputs = shape.inputs();
      return hasBias ? tf.concat([inputs, tf.fill([inputs.shape[0] ?? 0, 1], 1)], 1) : inputs;
    },
    inputProducts: () => shape.inputProducts(hasBias),
    outputGradients: () => tf.reshape(outputGradient, [-1, rows]),
    gradient: () => {
      const matrix = shape.toMatrix(gradients[weight]!);
      return hasBias ? tf.concat([matrix, tf.reshape(gradients[bias]!, [-1, 1])], 1) : matrix;
    },
    toParameters: (matrix) => {
      if (!hasBias) return { [weight]: shape.fromMatrix(matrix) };
      const [left, right] = tf.split(matrix, [fanIn, 1], 1) as [tf.Tensor, tf.Tensor];
      return { [weight]: shape.fromMatrix(left), [bias]: tf.reshape(right, [-1]) };
    },
  };
}
