import type { Tensor } from '../tf.js';
import { ElementwiseByOutput } from './known-by-output.js';
import type { Layer, Saved } from './layer.js';
import type { Parameter } from './parameter.js';

/** A layer and its place: the position in the sequence, "2.1" within a nested one. */
export interface PlacedLayer {
  readonly path: string;
  readonly layer: Layer;
}

/** A parameter and where it is in a network. */
export interface PlacedParameter {
  /** Place and name: "0.weight", "2.1.bias". */
  readonly path: string;
  readonly parameter: Parameter;
}

/** A forward pass: the output, and what every layer saved, in the order of `Sequential.layers`. */
export interface Trace {
  readonly output: Tensor;
  readonly saved: readonly Saved[];
}

/** Layers one after the other. Nested sequences are flattened; only the places remember them. */
export class Sequential {
  /** All layers in the order of the forward pass, nested ones among them. */
  readonly layers: readonly PlacedLayer[];

  constructor(children: readonly (Layer | Sequential)[]) {
    this.layers = children.flatMap((child, i) =>
      child instanceof Sequential
        ? child.layers.map(({ path, layer }) => ({ path: `${i}.${path}`, layer }))
        : [{ path: String(i), layer: child }],
    );
  }

  /** All parameters, first layer first. */
  get parameters(): PlacedParameter[] {
    return this.layers.flatMap(({ path, layer }) =>
      layer.parameters.map((parameter) => ({ path: `${path}.${parameter.name}`, parameter })),
    );
  }

  /**
   * From inputs [N, ...] to the output and what the derivatives need. The tensors of the trace are the caller's; what
   * lies between two layers and neither saves is freed on the way.
   */
  forward(x: Tensor): Trace {
    let output = x;
    const saved: Saved[] = [];
    while (saved.length < this.layers.length) {
      const input = output;
      const step = this.#step(saved.length, input);
      saved.push(...step.saved);
      output = step.output;
      const isSaved = saved.slice(-1 - step.saved.length).some((tensors) => Object.values(tensors).includes(input));
      if (input !== x && input !== output && !isSaved) input.dispose();
    }
    return { output, saved };
  }

  /** Through layer l, and through the activation behind it where both are one kernel. */
  #step(l: number, input: Tensor): { output: Tensor; saved: Saved[] } {
    const [layer, next] = [this.layers[l]!.layer, this.layers[l + 1]?.layer];
    if (next instanceof ElementwiseByOutput) {
      const both = layer.forwardActivated?.(input, next.activation);
      if (both) return { output: both.output, saved: [both.saved, next.savedOf(both.output)] };
    }
    const { output, saved } = layer.forward(input);
    return { output, saved: [saved] };
  }

  /** Free all parameters. */
  dispose(): void {
    for (const { parameter } of this.parameters) parameter.dispose();
  }
}
