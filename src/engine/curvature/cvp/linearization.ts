import type { Gradients } from '../../nn/backward.js';
import type { ElementwiseLayer, Layer, Saved } from '../../nn/layer.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { type LinearOperator, SymmetricOperator } from '../operator.js';
import { modified, type SecondOrder } from '../second-order.js';
import { kept, keptSaved } from '../kept.js';

/** One layer at a forward pass. */
export interface Stage {
  readonly path: string;
  readonly layer: Layer;
  readonly saved: Saved;
  /** What the parameters were then, in the order of `layer.parameters`. */
  readonly values: readonly tf.Tensor[];
  /** dL/d output, [N, ...out]. */
  readonly outputGradient: tf.Tensor;
  /** The layer's second-order term after modification, the diagonal of a matrix, [N, ...in]; null: none. */
  readonly residual: tf.Tensor | null;
}

/**
 * A network at one forward pass, from some layer to the loss, with all that its curvature products share. Whatever
 * becomes of the parameters afterwards, it keeps those of the forward pass.
 *
 * Operators hold it by `retain`; its tensors and the output Hessian go with the last of them.
 */
export class Linearization {
  readonly stages: readonly Stage[];
  #holders = 0;

  /** @param from  index of the first layer that takes part */
  constructor(
    model: Sequential,
    trace: Trace,
    gradients: Gradients,
    readonly outputHessian: LinearOperator,
    secondOrder: SecondOrder,
    from: number,
  ) {
    const stages: Stage[] = [];
    tf.tidy(() => {
      let outputGradient: tf.Tensor | undefined;
      for (let l = model.layers.length - 1; l >= from; l--) {
        const { path, layer } = model.layers[l]!;
        const saved = trace.saved[l]!;
        // Backpropagation stops at the first layer with parameters; before that the gradients are still to be made.
        outputGradient =
          gradients.outputs[l] ?? model.layers[l + 1]!.layer.inputVjp(trace.saved[l + 1]!, outputGradient!);
        const term = secondOrder === 'zero' ? null : residual(layer, saved, outputGradient, secondOrder);
        stages.unshift({
          path,
          layer,
          saved: keptSaved(saved),
          values: layer.parameters.map(({ value }) => kept(value)),
          outputGradient: kept(outputGradient),
          residual: term && kept(term),
        });
      }
    });
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
    this.#holders++;
    let holding = true;
    return () => {
      if (!holding) return;
      holding = false;
      if (--this.#holders === 0) this.#dispose();
    };
  }

  #dispose(): void {
    this.outputHessian.dispose();
    for (const { saved, values, outputGradient, residual } of this.stages) {
      tf.dispose([...Object.values(saved), ...values, outputGradient, ...(residual ? [residual] : [])]);
    }
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

/** Run `body` with other values for the parameters of a layer. */
export function withValues<T>({ parameters }: Layer, values: readonly tf.Tensor[], body: () => T): T {
  return parameters.reduceRight<() => T>((inner, parameter, i) => () => parameter.withValue(values[i]!, inner), body)();
}

function residual(
  layer: Layer | ElementwiseLayer,
  saved: Saved,
  outputGradient: tf.Tensor,
  mode: Exclude<SecondOrder, 'zero'>,
): tf.Tensor | null {
  const term = 'secondOrder' in layer ? layer.secondOrder(saved, outputGradient) : null;
  return term && modified(term, mode);
}
