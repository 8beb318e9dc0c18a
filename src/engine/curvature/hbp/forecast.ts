import { ConfigError } from '../../../errors.js';
import type { LayerKind } from '../../nn/layer.js';
import type { Sequential } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { rules } from './rules.js';

/** What a Hessian needs on its way through one layer. */
export interface HbpStep {
  readonly path: string;
  readonly kind: LayerKind;
  /** Shape of one sample at the layer's output; the Hessian there is [o, o], o its number of elements. */
  readonly outputShape: readonly number[];
  /** Bytes at the most while the Hessian passes this layer, with what has been collected behind it. */
  readonly bytes: number;
}

/** The memory that Hessian backpropagation takes, layer by layer. */
export interface HbpForecast {
  /** First layer first, from the first one with parameters on. */
  readonly steps: readonly HbpStep[];
  /** The most that any step needs, besides network and forward pass. */
  readonly peakBytes: number;
}

/**
 * About how much memory Hessian backpropagation will take, from the shapes alone; nothing but one sample's forward
 * pass is computed.
 *
 * @param inputShape  of one sample, such as [32, 32, 3]
 */
export function forecastHbp(
  model: Sequential,
  inputShape: readonly number[],
  { blocks = 1 }: { readonly blocks?: number } = {},
): HbpForecast {
  return tf.scoped(() => {
    let x = tf.zeros([1, ...inputShape]);
    const shapes = model.layers.map(({ layer }) => {
      x = layer.forward(x).output;
      return x.shape.slice(1);
    });
    return forecastOf(model, shapes, blocks);
  });
}

/** @param outputShapes  of one sample after each layer; those before the first layer with parameters are not read */
export function forecastOf(
  model: Sequential,
  outputShapes: readonly (readonly number[])[],
  blocks: number,
): HbpForecast {
  const first = model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
  const steps: HbpStep[] = [];
  let kept = 0;
  for (let l = model.layers.length - 1; l >= Math.max(first, 0); l--) {
    const { path, layer } = model.layers[l]!;
    const outputShape = outputShapes[l]!;
    const outputs = tf.util.sizeFromShape([...outputShape]);
    const inputs = l > first ? tf.util.sizeFromShape([...outputShapes[l - 1]!]) : 0;
    const rule = rules[layer.kind];
    const own = rule.parameterStorage?.(layer, { inputs, outputs }, blocks) ?? { kept: 0, passing: 0 };
    const before = kept + outputs ** 2;
    kept += own.kept;
    const passing = l > first ? rule.workspace({ inputs, outputs }, layer) : 0;
    const most = before + own.kept + Math.max(own.passing, passing);
    steps.unshift({ path, kind: layer.kind, outputShape, bytes: bytesPerNumber * most });
  }
  return { steps, peakBytes: Math.max(0, ...steps.map(({ bytes }) => bytes)) };
}

/** @throws ConfigError  the forecast is above the limit [bytes] */
export function checkMemory({ steps, peakBytes }: HbpForecast, limit: number): void {
  if (peakBytes <= limit) return;
  const { path, kind, outputShape } = steps.find(({ bytes }) => bytes === peakBytes)!;
  const n = tf.util.sizeFromShape([...outputShape]);
  throw new ConfigError(
    `Hessian backpropagation needs about ${gibibytes(peakBytes)} at layer ${path} (${kind}), more than the limit of ` +
      `${gibibytes(limit)}: the Hessian of its output [${outputShape.join(', ')}] is ${n} x ${n}. ` +
      'Use a chain of products (hessians: chain) or exact products (CVP), which need no such matrix, or raise memoryLimit',
  );
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toPrecision(2)} GiB`;
}

/** Everything is float32. */
const bytesPerNumber = 4;
