import type { Gradients } from '../../nn/backward.js';
import type { ElementwiseLayer, Layer, Saved } from '../../nn/layer.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { type LinearOperator, SymmetricOperator } from '../operator.js';
import { modified, type SecondOrder } from '../second-order.js';
import { FrozenLayer, withValues } from '../frozen-layer.js';
import { Holders } from '../holders.js';
import { kept } from '../kept.js';

/** One layer at a forward pass. */
export class Stage extends FrozenLayer {
  /** See `Gradients.prepared`. */
  readonly prepared: tf.Tensor | null;
  readonly #next: Stage | undefined;
  readonly #secondOrder: SecondOrder;
  #outputGradient: tf.Tensor | undefined;
  #residual: tf.Tensor | null | undefined;

  /** @param next  where the layer's gradient comes from if it is not among `gradients` */
  constructor(
    readonly path: string,
    layer: Layer,
    saved: Saved,
    { outputGradient, prepared }: { readonly outputGradient?: tf.Tensor; readonly prepared?: tf.Tensor },
    next: Stage | undefined,
    secondOrder: SecondOrder,
  ) {
    super(layer, saved);
    this.#outputGradient = outputGradient && kept(outputGradient);
    this.prepared = prepared ? kept(prepared) : null;
    this.#next = next;
    this.#secondOrder = secondOrder;
  }

  /** dL/d output, [N, ...out]. Made once where backpropagation has left it out. */
  get outputGradient(): tf.Tensor {
    return (this.#outputGradient ??= tf.scoped(() => kept(this.#next!.inputVjp(this.#next!.outputGradient))));
  }

  /** The layer's second-order term after modification, the diagonal of a matrix, [N, ...in]; null: none. Made once. */
  get residual(): tf.Tensor | null {
    if (this.#residual !== undefined) return this.#residual;
    this.#residual = tf.scoped(() => {
      const term = residualOf(this.layer, this.saved, () => this.outputGradient, this.#secondOrder);
      return term && tf.keep(term);
    });
    return this.#residual;
  }

  override dispose(): void {
    super.dispose();
    tf.dispose([this.#outputGradient, this.prepared, this.#residual].filter((tensor) => !!tensor));
  }
}

/** The second-order term of a layer under a mode, for a gradient with respect to its output, asked for if needed; null: none. */
export function residualOf(
  layer: Layer | ElementwiseLayer,
  saved: Saved,
  outputGradient: () => tf.Tensor,
  mode: SecondOrder,
): tf.Tensor | null {
  if (mode === 'zero' || !('secondOrder' in layer)) return null;
  const term = layer.secondOrder(saved, outputGradient());
  return term && modified(term, mode);
}

/**
 * A network at one forward pass, from some layer to the loss, with all that its curvature products share. Whatever
 * becomes of the parameters afterwards, it keeps those of the forward pass.
 *
 * Operators hold it by `retain`; its tensors and the output Hessian go with the last of them.
 */
export class Linearization {
  readonly stages: readonly Stage[];
  readonly #holders = new Holders(() => this.#dispose());

  /** @param from  index of the first layer that takes part */
  constructor(
    model: Sequential,
    trace: Trace,
    gradients: Gradients,
    readonly outputHessian: LinearOperator,
    readonly secondOrder: SecondOrder,
    from: number,
  ) {
    const stages: Stage[] = [];
    for (let l = model.layers.length - 1; l >= from; l--) {
      const { path, layer } = model.layers[l]!;
      const [outputGradient, prepared] = [gradients.outputs[l], gradients.prepared?.[l]];
      const known = { ...(outputGradient && { outputGradient }), ...(prepared && { prepared }) };
      stages.unshift(new Stage(path, layer, trace.saved[l]!, known, stages[0], secondOrder));
    }
    this.stages = stages;
  }

  /** Run `body` with all parameters as they were in the forward pass. */
  atForwardPass<T>(body: () => T): T {
    return this.stages.reduceRight<() => T>(
      (inner, { layer, values }) =>
        () =>
          withValues(layer, values, inner),
      body,
    )();
  }

  /**
   * The curvature with respect to the input of stage `from`, J^T H J + residuals, applied to tangents
   * t [V, N, ...in] there.
   */
  curve(from: number, t: tf.Tensor): tf.Tensor {
    const stage = this.stages[from];
    if (!stage) return this.outputHessian.matmat(t);
    const { layer, saved, residual } = stage;
    const back = layer.inputVjp(saved, this.curve(from + 1, layer.inputJvp(saved, t)));
    return residual ? tf.add(back, tf.mul(residual, t)) : back;
  }

  /** Hold on to this; the function that is returned lets go, once. */
  retain(): () => void {
    return this.#holders.retain();
  }

  #dispose(): void {
    this.outputHessian.dispose();
    this.stages.forEach((stage) => stage.dispose());
  }
}

/** An operator whose products run through a linearization, at the parameters of the forward pass. */
export class LinearizedOperator extends SymmetricOperator {
  readonly #release: () => void;

  constructor(
    override readonly shape: readonly number[],
    private readonly linearization: Linearization,
    private readonly product: (vs: tf.Tensor) => tf.Tensor,
    private readonly owned: readonly tf.Tensor[] = [],
  ) {
    super();
    this.#release = linearization.retain();
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    return this.linearization.atForwardPass(() => this.product(vs));
  }

  override dispose(): void {
    this.#release();
    tf.dispose([...this.owned]);
  }
}
