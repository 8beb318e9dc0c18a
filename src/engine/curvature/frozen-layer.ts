import type { Layer, Saved } from '../nn/layer.js';
import * as tf from '../tf.js';
import { kept, keptSaved } from './kept.js';

/**
 * A layer at one forward pass: its first derivatives stay those of that pass, whatever becomes of the parameters. It
 * holds handles of its own, which `dispose` frees.
 */
export class FrozenLayer {
  readonly saved: Saved;
  /** What the parameters were, in the order of `layer.parameters`. */
  readonly values: readonly tf.Tensor[];

  constructor(
    readonly layer: Layer,
    saved: Saved,
  ) {
    this.saved = keptSaved(saved);
    this.values = layer.parameters.map(({ value }) => kept(value));
  }

  inputJvp(dx: tf.Tensor): tf.Tensor {
    return this.run(() => this.layer.inputJvp(this.saved, dx));
  }

  inputVjp(dy: tf.Tensor): tf.Tensor {
    return this.run(() => this.layer.inputVjp(this.saved, dy));
  }

  paramJvp(name: string, dw: tf.Tensor): tf.Tensor {
    return this.run(() => this.layer.paramJvp(this.saved, name, dw));
  }

  paramVjp(name: string, dy: tf.Tensor): tf.Tensor {
    return this.run(() => this.layer.paramVjp(this.saved, name, dy));
  }

  /** Run `body` with the parameters as they were. */
  run<T>(body: () => T): T {
    return withValues(this.layer, this.values, body);
  }

  dispose(): void {
    tf.dispose([...Object.values(this.saved), ...this.values] as tf.Tensor[]);
  }
}

/** Run `body` with other values for the parameters of a layer. */
export function withValues<T>({ parameters }: Layer, values: readonly tf.Tensor[], body: () => T): T {
  return parameters.reduceRight<() => T>((inner, parameter, i) => () => parameter.withValue(values[i]!, inner), body)();
}
