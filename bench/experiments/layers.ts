/** The sizes of a network's layers with parameters, on which its costs depend. */
import type { Sequential } from 'hbp';
import * as tf from '../../dist/engine/tf.js';

export interface LayerSizes {
  readonly kind: 'linear' | 'conv2d';
  /** Of one output: the inputs of a linear layer, kernel area times channels of a convolution. */
  readonly fanIn: number;
  /** Outputs or channels. */
  readonly outputs: number;
  /** Places of a picture where the layer is applied; 1 for a linear layer. */
  readonly positions: number;
  /** Elements of a sample before the layer. */
  readonly before: number;
  /** Elements of a sample behind it. */
  readonly behind: number;
  /** Those of them that a max pooling lets through: all, if none follows. */
  readonly kept: number;
  readonly parameters: number;
}

/** @param input  [1, ...] of a sample */
export function layerSizes(model: Sequential, input: readonly number[]): LayerSizes[] {
  const sizes: LayerSizes[] = [];
  tf.tidy(() => {
    let x: tf.Tensor = tf.zeros([...input]);
    for (const { layer } of model.layers) {
      const { output } = layer.forward(x);
      const [weight] = layer.parameters;
      const last = sizes.at(-1);
      if (weight && (layer.kind === 'linear' || layer.kind === 'conv2d')) {
        const outputs = weight.shape[layer.kind === 'linear' ? 0 : 3]!;
        sizes.push({
          kind: layer.kind,
          fanIn: tf.util.sizeFromShape([...weight.shape]) / outputs,
          outputs,
          positions: output.size / outputs,
          before: x.size,
          behind: output.size,
          kept: output.size,
          parameters: layer.parameters.reduce((sum, { shape }) => sum + tf.util.sizeFromShape([...shape]), 0),
        });
      } else if (layer.kind === 'max-pool2d' && last) {
        sizes[sizes.length - 1] = { ...last, kept: output.size };
      }
      x = output;
    }
  });
  return sizes;
}

/** Multiply-adds of a sample. */
export function multiplyAdds({ fanIn, outputs, positions }: LayerSizes): number {
  return fanIn * outputs * positions;
}
