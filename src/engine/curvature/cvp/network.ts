import * as tf from '../../tf.js';
import { type CrossTerms, crossTerms } from './cross-terms.js';
import { type Linearization, LinearizedOperator } from './linearization.js';

/**
 * The curvature of all parameters together. One pass forward collects the tangents that all parameters cause, one pass
 * back their curvature.
 *
 * @param coupled  with the cross terms of the Hessian
 */
export function networkOperator(linearization: Linearization, coupled: boolean): LinearizedOperator {
  const { stages } = linearization;
  const shapes = stages.map(({ values }) => values.map(({ shape }) => shape));
  const sizes = shapes.flat().map((shape) => tf.util.sizeFromShape(shape));
  // Nothing before the first stage has parameters, so no tangent reaches it and it has no cross terms.
  const crosses = linearization.atForwardPass(() =>
    stages.map((stage, l) => (coupled && l > 0 && stage.values.length > 0 ? crossTerms(stage) : null)),
  );

  const product = (vs: tf.Tensor): tf.Tensor => {
    const parts = tf.split(vs, sizes, 1);
    const tangents = shapes.map((ofLayer) => ofLayer.map((shape) => tf.reshape(parts.shift()!, [-1, ...shape])));
    const products = pass(linearization, crosses, tangents);
    return tf.concat(
      products.flat().map((each) => tf.reshape(each, [vs.shape[0] ?? 0, -1])),
      1,
    );
  };
  const owned = crosses.flatMap((cross) => cross?.owned ?? []);
  return new LinearizedOperator([sizes.reduce((a, b) => a + b, 0)], linearization, product, owned);
}

/** @param tangents  of the parameters of every stage, [V, ...w]; the products come in the same form */
function pass(
  { stages, outputHessian }: Linearization,
  crosses: readonly (CrossTerms | null)[],
  tangents: readonly (readonly tf.Tensor[])[],
): tf.Tensor[][] {
  const products: tf.Tensor[][] = [];
  /** Forward with the tangent at the input of stage l (null: zero), and back with the curvature there. */
  const through = (l: number, t: tf.Tensor | null): tf.Tensor | null => {
    const stage = stages[l];
    if (!stage) return outputHessian.matmat(t!);
    const { layer, saved, residual } = stage;
    const out = layer.parameters.map(({ name }, i) => layer.paramJvp(saved, name, tangents[l]![i]!));
    if (t) out.push(layer.inputJvp(saved, t));
    const u = through(l + 1, total(out))!;
    const cross = crosses[l];
    const mixed = t && cross?.onParameters(t);
    products[l] = layer.parameters.map(({ name }, i) => {
      const back = layer.paramVjp(saved, name, u);
      return mixed ? tf.add(back, mixed[i]!) : back;
    });
    if (!t) return null;
    const back = [layer.inputVjp(saved, u)];
    if (residual) back.push(tf.mul(residual, t));
    if (cross) back.push(cross.onInput(tangents[l]!));
    return total(back);
  };
  through(0, null);
  return products;
}

function total(terms: readonly tf.Tensor[]): tf.Tensor {
  return terms.reduce((sum, term) => tf.add(sum, term));
}
