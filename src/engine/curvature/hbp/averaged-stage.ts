import type { Layer, Saved } from '../../nn/layer.js';
import * as tf from '../../tf.js';
import { FrozenLayer } from '../frozen-layer.js';
import type { ProductStage } from '../staged-product.js';

/** A layer whose Jacobian is averaged over the batch, as a stage for tangents of one sample, [V, 1, ...]. */
export interface AveragedStage extends ProductStage {
  dispose(): void;
}

/** A layer whose Jacobian is the same for every sample. */
export function constantStage(layer: Layer, saved: Saved): AveragedStage {
  // These layers look at the shape of their input, if at all.
  const frozen = tf.scoped(() => new FrozenLayer(layer, mapped(saved, firstSample)));
  return {
    forward: (t) => frozen.inputJvp(t),
    backward: (u) => frozen.inputVjp(u),
    hasResidual: false,
    dispose: () => frozen.dispose(),
  };
}

/** What a layer saved, with its mean input in the place of the inputs, [1, ...]: parameter Jacobians are linear in it. */
export function atMeanInput(layer: Layer, saved: Saved): FrozenLayer {
  return tf.scoped(
    () =>
      new FrozenLayer(
        layer,
        mapped(saved, (x) => tf.mean(x, 0, true)),
      ),
  );
}

function mapped(saved: Saved, map: (x: tf.Tensor) => tf.Tensor): Saved {
  return Object.fromEntries(Object.entries(saved).map(([name, x]) => [name, x && map(x)]));
}

function firstSample(x: tf.Tensor): tf.Tensor {
  return tf.slice(
    x,
    x.shape.map(() => 0),
    [1, ...x.shape.slice(1)],
  );
}
