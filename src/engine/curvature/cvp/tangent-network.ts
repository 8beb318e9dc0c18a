import { Conv2d } from '../../nn/conv2d.js';
import { pickCells, spreadCells } from '../../nn/chosen-cells.js';
import { type ActivationBefore, ChosenConvolution, type ChosenPlacements } from '../../nn/chosen-convolution.js';
import { timesDerivativeWithSums } from '../../fused.js';
import type { PooledCells } from '../../nn/gradient-rows.js';
import { ElementwiseByOutput, type OutputSaved } from '../../nn/known-by-output.js';
import { everywhere } from '../../nn/leading.js';
import type { ElementwiseLayer, Layer } from '../../nn/layer.js';
import {
  chosenActivation,
  type MaskedActivation,
  maskedJvp,
  type PooledConvolution,
  pooledConvolution,
} from '../../nn/pooled-convolution.js';
import type { Placement } from '../../nn/window.js';
import * as tf from '../../tf.js';
import { kept } from '../kept.js';
import { curveLink } from '../link.js';
import type { SharedProduct } from '../operator.js';
import { asOne, type Entry, type ProductStage, StagedProduct } from '../staged-product.js';
import { convolvedFactorProduct, factorProduct, type PlacedConvolution } from './factor-cascade.js';
import { type Linearization, residualOf, type Stage } from './linearization.js';

/** A parameter's Jacobian, to where its tangents enter the rest of the network. */
export interface ParameterMap {
  readonly name: string;
  readonly shape: readonly number[];
  /** J_w dw: [V, ...w] to [V, N, ...]. */
  jvp(dw: tf.Tensor): tf.Tensor;
  /** J_w^T u, summed over samples: [V, N, ...] to [V, ...w]. */
  vjp(u: tf.Tensor): tf.Tensor;
  /** The same to a stage further on, where that takes less than the way there. */
  readonly further?: ParameterMap & { readonly at: number };
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
  /** Where a weight is applied to a sample: 1, or the cells of a convolution's output, chosen or not. */
  readonly positions: number;
  /** Of a convolution without groups; with the cells that the pooling behind it chose, if only they count. */
  readonly window: { readonly convolution: Placement; readonly pooled: PooledCells | null } | null;
  readonly parameters: readonly ParameterMap[];
  /** dL/d output of the layer, [N, ...]; null where only chosen cells count. */
  readonly outputGradient: tf.Tensor | null;
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
  readonly stages: readonly NetworkStage[];
  readonly #owned: tf.Tensor[] = [];
  readonly #convolutions: ChosenConvolution[] = [];

  constructor(private readonly linearization: Linearization) {
    const layers: ParameterLayer[] = [];
    const stages: NetworkStage[] = [];
    const all = linearization.stages;
    for (let l = 0; l < all.length;) {
      const chosen = chosenStages(all, l);
      if (chosen) this.#convolutions.push(chosen.convolution);
      // Nothing enters before the first layer, so its own map is never asked for.
      if (l > 0) {
        const before = chosen && stages.at(-1)?.activation;
        if (before) stages.pop();
        stages.push(chosen ? chosenMap(chosen, before ?? null) : plainStage(all[l]!));
        const last = layers.at(-1);
        if (before && last?.at === stages.length - 1 && last.layer instanceof Conv2d) {
          layers[layers.length - 1] = withFurtherBias(last, chosen, before, stages.length);
        }
      }
      if (all[l]!.layer.parameters.length > 0) {
        layers.push(chosen ? this.#chosenLayer(chosen, stages.length) : plainLayer(all[l]!, stages.length));
      }
      if (chosen) stages.push(this.#chosenActivation(chosen.group, chosen.activation));
      l += chosen ? chosen.group.length : 1;
    }
    this.layers = layers;
    this.stages = stages;
  }

  /** R at the input of every stage down to the network's output. */
  product(): StagedProduct {
    return new StagedProduct(
      this.stages,
      asOne((t) => this.linearization.outputHessian.matmat(t)),
    );
  }

  /**
   * R at the input of every stage up to `cut`, of the factor V [r, N, ...] there: R = V V^T. A convolution right before the
   * factor, and the activation before that one, go with it.
   */
  productToFactor(cut: number, factor: () => tf.Tensor): SharedProduct {
    const stages: readonly NetworkStage[] = this.stages.slice(0, cut);
    const { convolution } = stages[cut - 1]!;
    const before = convolution && stages[cut - 2]?.activation;
    const end = cut - (convolution ? 1 : 0) - (before ? 1 : 0);
    const entersBetween = this.layers.some(({ at }) => at > end && at < cut);
    if (!convolution || entersBetween) {
      return new StagedProduct(
        stages,
        asOne((t) => factorProduct(factor(), t)),
      );
    }
    return new ProductToConvolution(stages.slice(0, end), cut, (below, here) =>
      convolvedFactorProduct(factor(), below, here, convolution, before ?? null),
    );
  }

  dispose(): void {
    tf.dispose(this.#owned);
    this.#convolutions.forEach((convolution) => convolution.dispose());
  }

  /** A handle of its own on it. */
  #keep(tensor: tf.Tensor): tf.Tensor {
    const own = kept(tensor);
    this.#owned.push(own);
    return own;
  }

  #chosenActivation(group: PooledConvolution, stage: Stage): NetworkStage {
    const { secondOrder } = this.linearization;
    const { chosen: cells } = group.pooled;
    const { pooling } = group.placements;
    const pick = (x: tf.Tensor): tf.Tensor => pickCells(x, cells, pooling);
    return tf.scoped(() => {
      const { layer, saved, mask } = chosenActivation(group);
      const own = {
        layer,
        saved: Object.fromEntries(Object.entries(saved).map(([name, x]) => [name, x && this.#keep(x)])),
        mask: mask && this.#keep(mask),
      };
      const term = residualOf(layer, saved, () => pick(stage.outputGradient), secondOrder);
      if (!term) return elementwiseStage(own, null);
      // Windows on one cell see the sum of their gradients there, each of them.
      const shared = overlaps(pooling)
        ? tf.divNoNan(term, pick(spreadCells(tf.onesLike(cells), cells, pooling)))
        : term;
      return elementwiseStage(own, this.#keep(mask ? tf.mul(mask, shared) : shared));
    });
  }

  #chosenLayer({ stage, group, convolution }: ChosenStages, at: number): ParameterLayer {
    const { layer, path } = stage;
    const { input, pooled, placements } = group;
    const { chosen } = pooled;
    const { pooling } = placements;
    return {
      path,
      layer,
      at,
      input,
      outputShape: chosen.shape.slice(1),
      positions: tf.util.sizeFromShape([...placements.convolution.output]),
      window: { convolution: placements.convolution, pooled: { chosen, pooling } },
      outputGradient: null,
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

/** Through stages to a convolution that a factor is behind, at stage `cut`; tangents enter below it, or at the factor. */
class ProductToConvolution implements SharedProduct {
  constructor(
    private readonly stages: readonly ProductStage[],
    private readonly cut: number,
    private readonly head: (
      below: readonly tf.Tensor[],
      here: readonly tf.Tensor[],
    ) => { readonly curved: tf.Tensor[]; readonly curvedHere: tf.Tensor[] },
  ) {}

  multiply(entries: readonly Entry[]): tf.Tensor[] {
    const [below, here] = [entries.filter(({ at }) => at < this.cut), entries.filter(({ at }) => at === this.cut)];
    const tangents = here.map((entry) => entry.tangents);
    let atFactor: tf.Tensor[] = [];
    const through = new StagedProduct(this.stages, (arrived) => {
      const { curved, curvedHere } = this.head(arrived, tangents);
      tf.dispose([...arrived]);
      atFactor = curvedHere;
      return curved;
    });
    const fromBelow = below.length > 0 ? through.multiply(below) : [];
    if (below.length === 0) atFactor = this.head([], tangents).curvedHere;
    return entries.map((entry) => (entry.at < this.cut ? fromBelow.shift()! : atFactor.shift()!));
  }
}

/** Those of a convolution with pooling behind it. */
interface ChosenStages {
  /** The convolution's own. */
  readonly stage: Stage;
  readonly activation: Stage;
  readonly group: PooledConvolution;
  readonly convolution: ChosenConvolution;
}

/** Whether they begin at stage l. */
function chosenStages(stages: readonly Stage[], l: number): ChosenStages | null {
  const group = pooledConvolution(stages, l);
  if (!group) return null;
  const { pooled, placements, input } = group;
  const [stage, activation] = [stages[l]!, stages[l + 1]!];
  const convolution = new ChosenConvolution(pooled.chosen, placements, input.shape[3]!, stage.prepared);
  return { stage, activation, group, convolution };
}

function overlaps({ kernel, stride, dilation }: ChosenPlacements['pooling']): boolean {
  return ([0, 1] as const).some((axis) => (kernel[axis] - 1) * dilation[axis] + 1 > stride[axis]);
}

/** A stage that may be an activation alone, which a convolution behind it can take over, or such a convolution. */
interface NetworkStage extends ProductStage {
  readonly activation?: ActivationBefore;
  readonly convolution?: PlacedConvolution;
}

/** The convolution at the chosen cells, with the activation before it if there is one. */
function chosenMap({ stage, group, convolution }: ChosenStages, before: ActivationBefore | null): ProductStage {
  const [weight] = stage.values;
  return {
    forward: (t) => convolution.convolve(t, weight!, before),
    backward: (u) => convolution.convolveTransposed(u, weight!, before),
    backwardWithSums: (u) => convolution.convolveTransposedWithSums(u, weight!, before),
    hasResidual: false,
    shrinks: 2 * group.pooled.chosen.size <= group.input.size,
  };
}

/**
 * Tangents of a bias are the same at all positions, so that what becomes of them behind an activation and a convolution is the
 * convolution of phi' with weights of theirs: J b = conv(phi', W b).
 */
function withFurtherBias(
  layer: ParameterLayer,
  { stage, convolution }: ChosenStages,
  before: ActivationBefore,
  at: number,
): ParameterLayer {
  const weight = stage.values[0]!;
  const further = (map: ParameterMap): ParameterMap => ({
    ...map,
    further: {
      ...map,
      at,
      jvp: (db) => convolution.convolve('ones', tf.mul(weight, tf.reshape(db, [-1, 1, 1, db.shape[1]!, 1])), before),
      vjp: (u) => tf.sum(tf.mul(convolution.correlate('ones', u, before), weight), [1, 2, 4]),
    },
  });
  return { ...layer, parameters: layer.parameters.map((map) => (map.name === 'bias' ? further(map) : map)) };
}

function plainStage(stage: Stage): NetworkStage {
  if ('derivative' in stage.layer) {
    const { layer, saved, residual } = stage;
    return elementwiseStage({ layer: layer as ElementwiseLayer, saved, mask: null }, residual);
  }
  const plain = { forward: (t: tf.Tensor) => stage.inputJvp(t), backward: (u: tf.Tensor) => stage.inputVjp(u) };
  const placement = placementOf(stage);
  return { ...plain, hasResidual: false, ...(placement && { convolution: { placement, weight: stage.values[0]! } }) };
}

/** Of a convolution without groups. */
function placementOf({ layer, saved }: Stage): Placement | null {
  return layer instanceof Conv2d && layer.groups === 1 ? layer.place(saved['input']!) : null;
}

function plainLayer(stage: Stage, at: number): ParameterLayer {
  const { path, layer, saved, outputGradient } = stage;
  const placement = placementOf(stage);
  return {
    path,
    layer,
    at,
    input: saved['input']!,
    outputShape: outputGradient.shape.slice(1),
    positions: tf.util.sizeFromShape(outputGradient.shape.slice(1, -1)),
    window: placement && { convolution: placement, pooled: null },
    outputGradient,
    parameters: layer.parameters.map(({ name, shape }) => ({
      name,
      shape,
      jvp: (dw) => stage.paramJvp(name, dw),
      vjp: (u) => stage.paramVjp(name, u),
    })),
  };
}

/** What an activation that is known by its output can do besides. */
function byOutput(
  layer: ElementwiseByOutput,
  saved: OutputSaved,
  derivative: (t: tf.Tensor) => tf.Tensor,
): Pick<NetworkStage, 'activation' | 'backwardWithSums'> {
  return {
    activation: { layer, saved },
    backwardWithSums: (u) =>
      timesDerivativeWithSums(layer.activation, saved.output, u) ?? { dx: derivative(u), sums: undefined },
  };
}

/** @param residual  of the cells that the activation is for; 0 where its mask is */
function elementwiseStage(activation: MaskedActivation, residual: tf.Tensor | null): NetworkStage {
  const { layer, saved, mask } = activation;
  const derivative = (t: tf.Tensor): tf.Tensor => maskedJvp(activation, t);
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
    ...(layer instanceof ElementwiseByOutput &&
      !mask &&
      !residual &&
      byOutput(layer, saved as OutputSaved, derivative)),
  };
}
