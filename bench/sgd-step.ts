/** One step of gradient descent as a training run takes it, with its phases. */
import { backpropagate, c4d3, chenHidden, CrossEntropy, mlp, type Sequential, Sgd } from 'hbp';
import * as tf from '../dist/engine/tf.js';
import { type Random, seededStreams } from '../dist/lab/random.js';

/** The networks that are timed, with the optimiser settings of their experiments (exp01 and exp08). */
export const networks = {
  mlp: {
    create: (random: Random): Sequential =>
      mlp({ input: 3072, hidden: chenHidden['mlp-cifar10'], output: 10 }, 'sigmoid', random),
    lr: 0.1,
  },
  c4d3: {
    create: (random: Random): Sequential => c4d3({ input: [32, 32, 3], output: 10 }, 'sigmoid', random),
    lr: 0.001,
  },
} as const;
/** One of `networks`. */
export type NetworkName = keyof typeof networks;

const momentum = 0.9;
/** Statistics of the CIFAR-10 pictures, by which they are normalised. */
const mean = [0.49139968, 0.48215841, 0.44653091] as const;
const std = [0.24703223, 0.24348513, 0.26158784] as const;

/** Seconds of each part of a step, as far as the calling thread sees them: a GPU works on after a call returns. */
export interface Phases {
  readonly forward: number;
  readonly backward: number;
  readonly update: number;
}

/** A network, a batch of random normalised pictures and an optimiser. */
export class SgdTask {
  readonly #model: Sequential;
  readonly #inputs: tf.Tensor;
  readonly #labels: tf.Tensor;
  readonly #sgd: Sgd;
  readonly #loss = new CrossEntropy();

  constructor(network: NetworkName, batchSize: number) {
    const { init, shuffle } = seededStreams(0);
    this.#model = networks[network].create(init);
    this.#sgd = new Sgd({ lr: networks[network].lr, momentum });
    this.#inputs = tf.tensor(randomPictures(batchSize, shuffle), [batchSize, 32, 32, 3]);
    const labels = Int32Array.from({ length: batchSize }, () => shuffle.int(10));
    this.#labels = tf.tensor(labels, [batchSize], 'int32');
  }

  /** Forward, backward, update. @returns the loss before the update and where the time went */
  async step(): Promise<{ loss: number; phases: Phases }> {
    const start = performance.now();
    const { value, forward, backward, update } = tf.scoped(() => {
      const trace = this.#model.forward(this.#inputs);
      const { value, saved } = this.#loss.forward(trace.output, this.#labels);
      const forward = performance.now();
      const gradients = backpropagate(this.#model, trace, this.#loss.gradient(saved), { outputs: 'none' });
      const backward = performance.now();
      this.#sgd.update(this.#model.parameters, gradients.parameters);
      return { value, forward, backward, update: performance.now() };
    });
    const [loss = NaN] = await value.data();
    value.dispose();
    const seconds = (from: number, to: number): number => (to - from) / 1000;
    return {
      loss,
      phases: {
        forward: seconds(start, forward),
        backward: seconds(forward, backward),
        update: seconds(backward, update),
      },
    };
  }

  dispose(): void {
    this.#sgd.dispose();
    tf.dispose([this.#inputs, this.#labels, ...this.#model.parameters.map(({ parameter }) => parameter.value)]);
  }
}

/** Bytes drawn at random, scaled to [0, 1] and normalised channel by channel, [N, 32, 32, 3]. */
function randomPictures(count: number, random: Random): Float32Array {
  return Float32Array.from({ length: count * 3072 }, (_, i) => {
    const channel = (i % 3) as 0 | 1 | 2;
    return (random.int(256) / 255 - mean[channel]) / std[channel];
  });
}
