import { fusesDerivatives, type KnownByOutput, timesDerivative } from '../fused.js';
import type * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

/** `derivative` only where it is no part of a fused product: it takes as much memory as the output. */
export type OutputSaved = { readonly output: tf.Tensor; readonly derivative?: tf.Tensor };

/** An activation whose derivative is a function of its output y alone. */
export abstract class ElementwiseByOutput extends Elementwise<OutputSaved> {
  /** Its name among the fused kernels. */
  abstract readonly activation: KnownByOutput;
  protected abstract apply(x: tf.Tensor): tf.Tensor;
  /** phi' as a function of y. */
  protected abstract derivativeOf(output: tf.Tensor): tf.Tensor;

  /** y = phi(x), and y for the derivatives. */
  override forward(x: tf.Tensor): { output: tf.Tensor; saved: OutputSaved } {
    const output = this.apply(x);
    return { output, saved: this.savedOf(output) };
  }

  /** What the derivatives need of an output that was made elsewhere. */
  savedOf(output: tf.Tensor): OutputSaved {
    return fusesDerivatives() ? { output } : { output, derivative: this.derivativeOf(output) };
  }

  /** phi'(x), the shape of x. */
  override derivative({ output, derivative }: OutputSaved): tf.Tensor {
    return derivative ?? this.derivativeOf(output);
  }

  /** phi' * dx: [V?, N, ...] to the same. */
  override inputJvp(saved: OutputSaved, dx: tf.Tensor): tf.Tensor {
    return saved.derivative ? super.inputJvp(saved, dx) : timesDerivative(this.activation, saved.output, dx);
  }
}
