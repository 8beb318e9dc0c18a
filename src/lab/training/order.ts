import { shuffled } from '../datasets/batches.js';
import type { Random } from '../random.js';

/** Which samples a step sees: all training samples, batch by batch, in an order that is drawn anew for every epoch. */
export class SampleOrder {
  readonly batches: number;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array();
  /** Of the generator before this order was drawn. */
  #before: readonly number[] = [];

  /** @param random  if steps before were taken elsewhere: as it stood at the beginning of the first step's epoch */
  constructor(
    private readonly samples: number,
    private readonly batchSize: number,
    private readonly random: Random,
  ) {
    this.batches = Math.ceil(samples / batchSize);
  }

  /**
   * The samples of a step; the last batch of an epoch may be smaller.
   *
   * @param step  from 0, and never less than before
   */
  batch(step: number): Uint32Array {
    const epoch = Math.floor(step / this.batches);
    if (epoch !== this.#epoch) {
      this.#before = this.random.getState();
      this.#order = shuffled(this.samples, this.random);
      this.#epoch = epoch;
    }
    const start = (step % this.batches) * this.batchSize;
    return this.#order.subarray(start, start + this.batchSize);
  }

  /** Samples seen in so many steps. */
  seen(steps: number): number {
    const inEpoch = Math.min((steps % this.batches) * this.batchSize, this.samples);
    return Math.floor(steps / this.batches) * this.samples + inEpoch;
  }

  /** The state of the generator with which an order goes on after so many steps, the last one taken. */
  stateAfter(steps: number): readonly number[] {
    return steps % this.batches === 0 ? this.random.getState() : this.#before;
  }
}
