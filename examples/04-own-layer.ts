/** A layer of one's own: Swish, y = x sigmoid(x), with exact curvature products. */
import * as tf from '@tensorflow/tfjs-core';
import {
  backpropagate,
  CgNewton,
  CrossEntropy,
  curvatureProducts,
  Elementwise,
  type Gradients,
  linear,
  type LinearOperator,
  lossHessian,
  type SecondOrder,
  Sequential,
  xavierNormal,
} from 'hbp';
import { seededStreams } from '../dist/lab/random.js';
import { say, start } from './options.js';
import { plot } from './plot.js';

type SwishSaved = { readonly input: tf.Tensor; readonly gate: tf.Tensor };

/**
 * An activation says what it computes and its first two derivatives; a layer that isn't elementwise implements `Layer`.
 * Nothing else of the package needs to know: Hessian backpropagation, exact products, estimators and optimisers work
 * through this interface.
 */
class Swish extends Elementwise<SwishSaved> {
  override forward(input: tf.Tensor): { output: tf.Tensor; saved: SwishSaved } {
    const gate = tf.sigmoid(input);
    return { output: tf.mul(input, gate), saved: { input, gate } };
  }

  /** s + x s (1 - s) with s = sigmoid(x) */
  override derivative({ input, gate }: SwishSaved): tf.Tensor {
    return tf.add(gate, tf.mul(input, this.#slope(gate)));
  }

  /** s (1 - s) (2 + x (1 - 2 s)), times the gradient */
  override secondOrder({ input, gate }: SwishSaved, gradient: tf.Tensor): tf.Tensor {
    const bend = tf.add(2, tf.mul(input, tf.sub(1, tf.mul(2, gate))));
    return tf.mul(tf.mul(this.#slope(gate), bend), gradient);
  }

  #slope(gate: tf.Tensor): tf.Tensor {
    return tf.mul(gate, tf.sub(1, gate));
  }
}

const { quick, out } = await start('A layer of one’s own: Swish, with exact curvature products');
const random = seededStreams(0);
const model = new Sequential([
  linear(2, 16, xavierNormal, random.init),
  new Swish(),
  linear(16, 8, xavierNormal, random.init),
  new Swish(),
  linear(8, 2, xavierNormal, random.init),
]);
const loss = new CrossEntropy();
const { inputs, labels } = spirals(quick ? 200 : 1_000);

say(`Hessian products against difference quotients of gradients: ${(await worstError()).toExponential(1)} apart`);

const newton = new CgNewton({ lr: 0.5, alpha: 0.01, tol: 0.1, atol: 0, maxiter: 50 });
const losses: { step: number; loss: number }[] = [];
const steps = quick ? 20 : 200;
for (let step = 0; step < steps; step++) {
  tf.engine().startScope(); // what a tidy does, for code that waits
  const { value, gradients, curvature } = differentiate('abs');
  await newton.update(model.parameters, gradients.parameters, curvature);
  for (const operator of Object.values(curvature)) operator.dispose();
  losses.push({ step, loss: (await value.data())[0]! });
  tf.engine().endScope();
}
say(`loss ${losses[0]!.loss.toExponential(2)} at first, ${losses.at(-1)!.loss.toExponential(2)} before step ${steps}`);

await plot(out, '04-own-layer', {
  title: 'Two spirals, two layers of Swish: CG-Newton, PCH (abs) by exact products',
  width: 400,
  height: 240,
  data: { values: losses },
  mark: { type: 'line' },
  encoding: { x: { field: 'step', type: 'quantitative' }, y: { field: 'loss', type: 'quantitative' } },
});

function differentiate(secondOrder: SecondOrder): {
  value: tf.Tensor;
  gradients: Gradients;
  curvature: Record<string, LinearOperator>;
} {
  const trace = model.forward(inputs);
  const { value, saved } = loss.forward(trace.output, labels);
  const gradients = backpropagate(model, trace, loss.gradient(saved));
  const curvature = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
  return { value, gradients, curvature };
}

/** Largest |H v - (g(w + h v) - g(w - h v)) / 2 h| over largest |H v|, over the blocks of all parameters. */
async function worstError(): Promise<number> {
  const h = 0.01;
  tf.engine().startScope();
  const { curvature } = differentiate('none');
  const errors = model.parameters.map(({ path, parameter }) => {
    const v = tf.randomNormal(parameter.shape, 0, 1, 'float32', 1);
    const gradientAt = (value: tf.Tensor): tf.Tensor =>
      parameter.withValue(value, () => {
        const { gradients, curvature: unused } = differentiate('zero');
        for (const operator of Object.values(unused)) operator.dispose();
        return gradients.parameters[path]!;
      });
    const [ahead, behind] = [h, -h].map((by) => gradientAt(tf.add(parameter.value, tf.mul(by, v)))) as [
      tf.Tensor,
      tf.Tensor,
    ];
    const product = curvature[path]!.matvec(v);
    const difference = tf.sub(product, tf.div(tf.sub(ahead, behind), 2 * h));
    return tf.div(tf.max(tf.abs(difference)), tf.max(tf.abs(product)));
  });
  const [worst = NaN] = await tf.max(tf.stack(errors)).data();
  for (const operator of Object.values(curvature)) operator.dispose();
  tf.engine().endScope();
  return worst;
}

/** Points [N, 2] on two arms of a spiral, and the arms that they lie on. */
function spirals(samples: number): { inputs: tf.Tensor; labels: tf.Tensor } {
  const points = Array.from({ length: samples }, (_, n) => {
    const radius = 0.2 + 2 * random.subset.uniform();
    const angle = 1.5 * radius + Math.PI * (n % 2) + 0.2 * (random.subset.uniform() - 0.5);
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
  return {
    inputs: tf.tensor2d(points),
    labels: tf.tensor1d(
      points.map((_, n) => n % 2),
      'int32',
    ),
  };
}
