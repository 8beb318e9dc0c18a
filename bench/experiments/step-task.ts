/** Our side of a comparison: an optimiser's step on given parameters and a given batch, with its phases. */
import type { Sequential } from 'hbp';
import * as tf from '../../dist/engine/tf.js';
import type { ModelSpec, OptimizerSpec } from '../../dist/lab/config/schema.js';
import { seededStreams } from '../../dist/lab/random.js';
import { createModel } from '../../dist/lab/training/model.js';
import { type Batch, createStepper, type Phase, type Stepper } from '../../dist/lab/training/step.js';
import { finished } from '../backend.js';
import { readFloats } from './floats.js';
import { layerSizes, type LayerSizes } from './layers.js';
import { createScaled, type ScaledNetwork } from './scaled.js';

export interface TaskSpec {
  readonly model: ModelSpec | ScaledNetwork;
  readonly optimizer: OptimizerSpec;
  /** A file; absent: as seed 0 makes them. */
  readonly parameters?: string;
  /** A file. */
  readonly batch: string;
}

export interface StepTimes {
  /** One number a step. */
  readonly seconds: readonly number[];
  /** One a step, in seconds. */
  readonly phases: readonly Partial<Record<Phase, number>>[];
  /** Before the first step; null if it is no number. */
  readonly loss: number | null;
  /** CG iterations of the first step: one list a parameter, one number a block; empty without CG. */
  readonly iterations: readonly (readonly number[])[];
}

/** What the tensors of a step take; scratch memory inside of kernels is not among it. */
export interface Allocation {
  /** Bytes of all tensors that a step makes. */
  readonly allocated: number;
  /** Most bytes at a time, with the parameters and the batch. */
  readonly most: number;
}

const shape = [32, 32, 3] as const;
const classes = 10;
const pixels = 32 * 32 * 3;

export class StepTask {
  readonly #model: Sequential;
  /** Tensors, as a step's arrays in JavaScript would be collected within the next one. */
  readonly #start: readonly tf.Tensor[];
  readonly #batch: Batch;
  readonly #stepper: Stepper;
  #last = 0;
  #phases: Partial<Record<Phase, number>> = {};
  #iterations: number[][] = [];

  constructor({ model, optimizer, parameters, batch }: TaskSpec) {
    const { init } = seededStreams(0);
    this.#model =
      typeof model === 'object' && 'scaled' in model
        ? createScaled(model, init)
        : createModel(model, { shape, classes }, init);
    this.#start =
      parameters === undefined
        ? this.#model.parameters.map(({ parameter }) => copyOf(parameter.value))
        : this.#cut(readFloats(parameters), parameters);
    this.#batch = batchOf(readFloats(batch), batch);
    this.#stepper = createStepper(this.#model, optimizer, {
      ended: (phase) => {
        const now = performance.now();
        this.#phases[phase] = (this.#phases[phase] ?? 0) + (now - this.#last) / 1000;
        this.#last = now;
      },
      solved: (reports) => {
        const order = this.#model.parameters.map(({ path }) => reports[path] ?? []);
        this.#iterations = order.map((blocks) => blocks.map(({ iterations }) => iterations));
      },
    });
  }

  get layers(): LayerSizes[] {
    return layerSizes(this.#model, [1, ...shape]);
  }

  /** Numbers of a parameter file. */
  get size(): number {
    return this.#model.parameters.reduce((sum, { parameter }) => sum + tf.util.sizeFromShape(parameter.shape), 0);
  }

  /** All parameters as they are now. */
  async parameters(): Promise<Float32Array[]> {
    return Promise.all(
      this.#model.parameters.map(async ({ parameter }) => (await parameter.value.data<'float32'>()).slice()),
    );
  }

  /** Every step begins with the given parameters, put back outside of the clock; the optimiser keeps its state. */
  async run(
    count: number,
    afterFirst: (task: StepTask) => Promise<void> = () => Promise.resolve(),
  ): Promise<StepTimes> {
    const seconds: number[] = [];
    const phases: Partial<Record<Phase, number>>[] = [];
    let first: { loss: number; iterations: number[][] } | undefined;
    for (let i = 0; i < count; i++) {
      await this.#restore();
      this.#phases = {};
      this.#iterations = [];
      const began = (this.#last = performance.now());
      const score = await this.#stepper.step(this.#batch);
      const [lossSum = NaN] = await score.data();
      await finished();
      seconds.push((performance.now() - began) / 1000);
      score.dispose();
      phases.push(this.#phases);
      if (!first) {
        first = { loss: lossSum / this.#batch.labels.size, iterations: this.#iterations };
        await afterFirst(this);
      }
    }
    const { loss = NaN, iterations = [] } = first ?? {};
    return { seconds, phases, loss: Number.isFinite(loss) ? loss : null, iterations };
  }

  /** Of one more step, which the counting slows down. */
  async allocation(): Promise<Allocation> {
    await this.#restore();
    const start = this.#start.reduce((sum, { size }) => sum + size * Float32Array.BYTES_PER_ELEMENT, 0);
    const before = tf.memory().numBytes;
    const { kernels, peakBytes } = await tf.profile(async () => {
      const score = await this.#stepper.step(this.#batch);
      score.dispose();
      return [];
    });
    const allocated = kernels.reduce((sum, { bytesAdded }) => sum + Math.max(bytesAdded, 0), 0);
    return { allocated, most: Math.max(before, peakBytes) - start };
  }

  dispose(): void {
    this.#stepper.dispose();
    this.#model.dispose();
    tf.dispose([this.#batch.inputs, this.#batch.labels, ...this.#start]);
  }

  async #restore(): Promise<void> {
    // Copies: an update may write into them.
    this.#model.parameters.forEach(({ parameter }, i) => parameter.assign(copyOf(this.#start[i]!)));
    await finished();
  }

  #cut(all: Float32Array, file: string): tf.Tensor[] {
    if (all.length !== this.size) {
      throw new Error(`${file} has ${all.length} numbers, the network ${this.size} parameters`);
    }
    let at = 0;
    return this.#model.parameters.map(({ parameter }) => {
      const size = tf.util.sizeFromShape([...parameter.shape]);
      return tf.tensor(all.slice(at, (at += size)), [...parameter.shape]);
    });
  }
}

/** In memory of its own. */
function copyOf(tensor: tf.Tensor): tf.Tensor {
  return tf.mul(tensor, 1);
}

function batchOf(numbers: Float32Array, file: string): Batch {
  const count = numbers.length / (pixels + 1);
  if (!Number.isInteger(count)) throw new Error(`${file} is no whole number of pictures with labels`);
  return {
    inputs: tf.tensor(numbers.slice(0, count * pixels), [count, ...shape]),
    labels: tf.tensor(Int32Array.from(numbers.subarray(count * pixels)), [count], 'int32'),
  };
}
