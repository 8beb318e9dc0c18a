/**
 * A convolution, an activation and max pooling, one after the other: only cells that the pooling chose are seen by anything
 * behind it, so derivatives need no others, and the activation shrinks to the pooled size.
 */
import * as tf from '../tf.js';
import { pickCells } from './chosen-cells.js';
import type { ChosenPlacements } from './chosen-convolution.js';
import { Conv2d } from './conv2d.js';
import { ElementwiseByOutput } from './known-by-output.js';
import type { ElementwiseLayer, Layer, Saved } from './layer.js';
import { MaxPool2d, type MaxPoolSaved } from './max-pool2d.js';
import type { Sides } from './window.js';
import { ZeroPad2d } from './zero-pad2d.js';

/** A layer at a forward pass. */
export interface PassedLayer {
  readonly layer: Layer;
  readonly saved: Saved;
}

/** A convolution whose output goes through an activation, with zeros put around it or not, into max pooling. */
export interface PooledConvolution {
  /** The convolution, without groups. */
  readonly layer: Conv2d;
  /** Its input, [N, H, W, C]. */
  readonly input: tf.Tensor;
  readonly activation: PassedLayer & { readonly layer: ElementwiseLayer };
  /** Of the pooling, its windows on the output of the activation. */
  readonly pooled: MaxPoolSaved;
  readonly placements: ChosenPlacements;
  /** Number of layers. */
  readonly length: number;
}

/** Whether one begins at layer l. */
export function pooledConvolution(layers: readonly PassedLayer[], l: number): PooledConvolution | null {
  const { layer, saved } = layers[l]!;
  const activation = layers[l + 1];
  const between = layers[l + 2]?.layer;
  const padding = between instanceof ZeroPad2d ? between.padding : null;
  const length = padding ? 4 : 3;
  const pool = layers[l + length - 1];
  if (!(layer instanceof Conv2d) || layer.groups !== 1) return null;
  if (!activation || !isElementwise(activation) || !(pool?.layer instanceof MaxPool2d)) return null;
  const input = saved['input']!;
  const convolution = layer.place(input);
  const shape = [input.shape[0], ...convolution.output, layer.weight.shape[3]].join();
  if (Object.values(activation.saved).some((x) => x && x.shape.join() !== shape)) return null;
  const pooled = pool.saved as MaxPoolSaved;
  const placed = pool.layer.place(pooled.input);
  const sides = padding ?? ([0, 0, 0, 0] as const);
  const pooling = {
    ...placed,
    padding: placed.padding.map((cells, side) => cells + sides[side]!) as unknown as Sides,
    input: convolution.output,
  };
  return { layer, input, activation, pooled, placements: { convolution, pooling }, length };
}

/** An activation of which some elements may not count. */
export interface MaskedActivation {
  readonly layer: ElementwiseLayer;
  readonly saved: Saved;
  /** 1, or 0 where neither derivative nor second-order term counts, of the output's shape. Null: 1 everywhere. */
  readonly mask: tf.Tensor | null;
}

/** Its activation at the cells that pooling chose, [N, pH, pW, O]; those beside the picture do not count. */
export function chosenActivation({ activation, pooled, placements: { pooling } }: PooledConvolution): MaskedActivation {
  const { layer, saved } = activation;
  const { chosen, output } = pooled;
  const pick = (x: tf.Tensor): tf.Tensor => pickCells(x, chosen, pooling);
  const isByOutput = layer instanceof ElementwiseByOutput;
  // What was chosen of the activation's output is what came out of the pooling.
  const atCells = Object.entries(saved).map(([name, x]): [string, tf.Tensor | undefined] => [
    name,
    isByOutput && name === 'output' ? output : x && pick(x),
  ]);
  const isMasked = isPadded(pooling) && !vanishesAtZero(layer);
  const ones = (): tf.Tensor => tf.ones([chosen.shape[0] ?? 0, ...pooling.input, chosen.shape[3] ?? 0]);
  return { layer, saved: Object.fromEntries(atCells), mask: isMasked ? pick(ones()) : null };
}

/** J v, and J^T v as J is diagonal, of v [V?, N, ...]. */
export function maskedJvp({ layer, saved, mask }: MaskedActivation, v: tf.Tensor): tf.Tensor {
  const product = layer.inputJvp(saved, v);
  return mask ? tf.mul(mask, product) : product;
}

function isElementwise(passed: PassedLayer): passed is PassedLayer & { readonly layer: ElementwiseLayer } {
  return 'derivative' in passed.layer;
}

/** Whether derivatives are zero where all that the layer saved is: then a zero beside the picture needs no mask. */
function vanishesAtZero(layer: Layer): boolean {
  return layer instanceof ElementwiseByOutput && layer.activation !== 'Tanh';
}

/** Whether a window may choose a zero beside the picture. */
function isPadded({ padding }: { readonly padding: Sides }): boolean {
  return padding.some((cells) => cells > 0);
}
