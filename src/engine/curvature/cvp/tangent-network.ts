import { Conv2d } from '../../nn/conv2d.js';
import { pickCells, spreadCells } from '../../nn/chosen-cells.js';
import { ChosenConvolution, type ChosenPlacements } from '../../nn/chosen-convolution.js';
import type { PooledCells } from '../../nn/gradient-rows.js';
import { ElementwiseByOutput, type OutputSaved } from '../../nn/known-by-output.js';
import type { ElementwiseLayer, Layer, Saved } from '../../nn/layer.js';
import { MaxPool2d, type MaxPoolSaved } from '../../nn/max-pool2d.js';
import { sizeOf } from '../../nn/leading.js';
import type { Placement, Sides } from '../../nn/window.js';
import { ZeroPad2d } from '../../nn/zero-pad2d.js';
import * as tf from '../../tf.js';
import { curveLink } from '../link.js';
import { type ProductStage, StagedProduct } from '../staged-product.js';
import { type Linearization, residualOf, type Stage } from './linearization.js';

/** A parameter's Jacobian, to where its tangents enter the rest of the network. */
export interface ParameterMap {
  readonly name: string;
  readonly shape: readonly number[];
  /** J_w dw: [V, ...w] to [V, N, ...]. */
  jvp(dw: tf.Tensor): tf.Tensor;
  /** J_w^T u, summed over samples: [V, N, ...] to [V, ...w]. */
  vjp(u: tf.Tensor): tf.Tensor;
}

/** A layer with parameters. */
export interface ParameterLayer {
  readonly path: string;
  readonly layer: Layer;
  /** Stage at whose input the layer's tangents enter. */
  readonly at: number;
  /** The layer's input, [N, ...]. */
  readonly input: tf.Tensor;
  /** Shape of one sample of the tangents that enter, [...]. */
  readonly outputShape: readonly number[];
  /** Of a convolution without groups; with the cells that the pooling behind it chose, if only they count. */
  readonly window: { readonly convolution: Placement; readonly pooled: PooledCells | null } | null;
  readonly parameters: readonly ParameterMap[];
  /** dL/d output of the layer, of the tangents' shape [N, ...]; zero where it was not chosen. */
  readonly outputGradient: tf.Tensor;
}

/**
 * A linearised network as curvature products of single parameters run through it. As the plain network but for one
 * thing: of a convolution that is followed by an activation and max pooling only the cells that the pooling chose are
 * ever computed, since nothing comes back from any other; all that lies between them shrinks to the pooled size.
 *
 * Overlapping windows that chose the same cell share its second-order term between them.
 */
export class TangentNetwork {
  readonly layers: readonly ParameterLayer[];
  readonly stages: readonly ProductStage[];
  readonly #owned: tf.Tensor[] = [];
  readonly #convolutions: ChosenConvolution[] = [];

  constructor(private readonly linearization: Linearization) {
    const layers: ParameterLayer[] = [];
    const stages: ProductStage[] = [];
    const all = linearization.stages;
    for (let l = 0; l < all.length;) {
      const pooled = pooledConvolution(all, l);
      if (pooled) this.#convolutions.push(pooled.convolution);
      const links = pooled ? this.#chosenStages(pooled) : [plainStage(all[l]!)];
      const [map, ...rest] = links;
      // Nothing enters before the first layer, so its own map is never asked for.
      if (l > 0) stages.push(map!);
      if (all[l]!.layer.parameters.length > 0) {
        layers.push(pooled ? this.#chosenLayer(pooled, stages.length) : plainLayer(all[l]!, stages.length));
      }
      stages.push(...rest);
      l += pooled ? pooled.length : 1;
    }
    this.layers = layers;
    this.stages = stages;
  }

  /** R at the input of every stage down to the network's output. */
  product(): StagedProduct {
    return new StagedProduct(this.stages, (t) => this.linearization.outputHessian.matmat(t));
  }

  dispose(): void {
    tf.dispose(this.#owned);
    this.#convolutions.forEach((convolution) => convolution.dispose());
  }

  #keep<T extends tf.Tensor>(tensor: T): T {
    this.#owned.push(tf.keep(tensor));
    return tensor;
  }

  /** The convolution at the chosen cells, then the activation there. */
  #chosenStages({ stage, activation, convolution }: PooledConvolution): ProductStage[] {
    const [weight] = stage.values;
    const map: ProductStage = {
      forward: (t) => convolution.convolve(t, weight!),
      backward: (u) => convolution.convolveTransposed(u, weight!),
      hasResidual: false,
    };
    return [map, this.#chosenActivation(activation, convolution)];
  }

  #chosenActivation(
    stage: Stage,
    { chosen: cells, placements: { pooling } }: Pick<ChosenConvolution, 'chosen' | 'placements'>,
  ): ProductStage {
    const { secondOrder } = this.linearization;
    const pick = (x: tf.Tensor): tf.Tensor => pickCells(x, cells, pooling);
    const layer = stage.layer as ElementwiseLayer;
    const { saved, residual, mask } = tf.scoped(() => {
      const saved = Object.fromEntries(
        Object.entries(stage.saved).map(([name, x]) => [name, x && this.#keep(pick(x))]),
      );
      const ones = (): tf.Tensor => tf.onesLike(stage.outputGradient);
      const mask = isPadded(pooling) && !vanishesAtZero(layer) ? this.#keep(pick(ones())) : null;
      const term = residualOf(layer, saved, pick(stage.outputGradient), secondOrder);
      if (!term) return { saved, residual: null, mask };
      // Windows on one cell see the sum of their gradients there, each of them.
      const shared = overlaps(pooling)
        ? tf.divNoNan(term, pick(spreadCells(tf.onesLike(cells), cells, pooling)))
        : term;
      return { saved, residual: this.#keep(tf.view(mask ? tf.mul(mask, shared) : shared)), mask };
    });
    return elementwiseStage(layer, saved, residual, mask);
  }

  #chosenLayer({ stage, convolution }: PooledConvolution, at: number): ParameterLayer {
    const { layer, path, saved, outputGradient } = stage;
    const input = saved['input']!;
    const { chosen, placements } = convolution;
    const { pooling } = placements;
    return {
      path,
      layer,
      at,
      input,
      outputShape: chosen.shape.slice(1),
      window: { convolution: placements.convolution, pooled: { chosen, pooling } },
      outputGradient,
      parameters: layer.parameters.map(({ name, shape }) => ({
        name,
        shape,
        jvp: (dw) =>
          name === 'weight' ? convolution.convolve(input, dw) : everywhere(dw, [chosen.shape[0], ...pooling.output]),
        vjp: (u) => (name === 'weight' ? convolution.correlate(input, u) : tf.sum(u, [1, 2, 3])),
      })),
    };
  }
}

/** A convolution whose output goes through an activation into max pooling. */
interface PooledConvolution {
  /** The convolution's own. */
  readonly stage: Stage;
  readonly activation: Stage;
  readonly convolution: ChosenConvolution;
  /** Number of stages. */
  readonly length: number;
}

/** Whether it begins at stage l: convolution, activation, zeros around it or not, max pooling. */
function pooledConvolution(stages: readonly Stage[], l: number): PooledConvolution | null {
  const [stage, activation] = [stages[l]!, stages[l + 1]];
  const padding = stages[l + 2]?.layer instanceof ZeroPad2d ? (stages[l + 2]!.layer as ZeroPad2d).padding : null;
  const length = padding ? 4 : 3;
  const pool = stages[l + length - 1];
  if (!(stage.layer instanceof Conv2d) || stage.layer.groups !== 1) return null;
  if (!activation || !('derivative' in activation.layer) || !(pool?.layer instanceof MaxPool2d)) return null;
  const shape = activation.outputGradient.shape.join();
  if (Object.values(activation.saved).some((x) => x && x.shape.join() !== shape)) return null;
  const { input, chosen } = pool.saved as MaxPoolSaved;
  const placed = pool.layer.place(input);
  const sides = padding ?? ([0, 0, 0, 0] as const);
  const pooling = {
    ...placed,
    padding: placed.padding.map((cells, side) => cells + sides[side]!) as unknown as Sides,
    input: sizeOf(activation.outputGradient),
  };
  const pictures = stage.saved['input']!;
  const placements = { convolution: stage.layer.place(pictures), pooling };
  return { stage, activation, convolution: new ChosenConvolution(chosen, placements, pictures.shape[3]!), length };
}

/** Whether derivatives are zero where all that the layer saved is: then a zero beside the picture needs no mask. */
function vanishesAtZero(layer: Layer): boolean {
  return layer instanceof ElementwiseByOutput && layer.activation !== 'Tanh';
}

/** Whether a window may choose a zero beside the picture. */
function isPadded({ padding }: { readonly padding: Sides }): boolean {
  return padding.some((cells) => cells > 0);
}

function overlaps({ kernel, stride, dilation }: ChosenPlacements['pooling']): boolean {
  return ([0, 1] as const).some((axis) => (kernel[axis] - 1) * dilation[axis] + 1 > stride[axis]);
}

function plainStage(stage: Stage): ProductStage {
  if ('derivative' in stage.layer) {
    return elementwiseStage(stage.layer as ElementwiseLayer, stage.saved, stage.residual, null);
  }
  return { forward: (t) => stage.inputJvp(t), backward: (u) => stage.inputVjp(u), hasResidual: false };
}

function plainLayer(stage: Stage, at: number): ParameterLayer {
  const { path, layer, saved, outputGradient } = stage;
  return {
    path,
    layer,
    at,
    input: saved['input']!,
    outputShape: outputGradient.shape.slice(1),
    window:
      layer instanceof Conv2d && layer.groups === 1
        ? { convolution: layer.place(saved['input']!), pooled: null }
        : null,
    outputGradient,
    parameters: layer.parameters.map(({ name, shape }) => ({
      name,
      shape,
      jvp: (dw) => stage.paramJvp(name, dw),
      vjp: (u) => stage.paramVjp(name, u),
    })),
  };
}

/** @param mask  1, or 0 where neither the derivative nor the residual counts, [N, ...]; null: 1 everywhere */
function elementwiseStage(
  layer: ElementwiseLayer,
  saved: Saved,
  residual: tf.Tensor | null,
  mask: tf.Tensor | null,
): ProductStage {
  const derivative = (t: tf.Tensor): tf.Tensor => {
    const product = layer.inputJvp(saved, t);
    return mask ? tf.mul(mask, product) : product;
  };
  return {
    forward: derivative,
    backward: (u, t) => {
      if (!residual || !t) return derivative(u);
      if (layer instanceof ElementwiseByOutput && !mask) {
        return curveLink(layer.activation, (saved as OutputSaved).output, u, residual, t);
      }
      return tf.add(derivative(u), tf.mul(residual, t));
    },
    hasResidual: residual !== null,
  };
}

/** [V, out] to [V, ...places, out]. */
function everywhere(dw: tf.Tensor, places: readonly number[]): tf.Tensor {
  const [vectors = 0, out = 0] = dw.shape;
  return tf.add(tf.zeros([vectors, ...places, out]), tf.reshape(dw, [vectors, ...places.map(() => 1), out]));
}
