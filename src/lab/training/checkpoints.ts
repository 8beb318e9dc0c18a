import { messageOf, RunError } from '../../errors.js';
import type { Checkpoint } from '../results/checkpoint.js';

/** When a run's state is stored. */
export interface CheckpointSchedule {
  /** At the latest after so many milliseconds, at the next step. */
  readonly everyMs: number;
  /** At evaluations too, as long as this part of the time goes to it. */
  readonly shareOfTime: number;
}

export const defaultSchedule: CheckpointSchedule = { everyMs: 2 * 60_000, shareOfTime: 0.05 };

/** Stores checkpoints when they are due. That one cannot be stored is said, and does not end the run. */
export class Checkpoints {
  #last = performance.now();
  #costMs = 0;
  #step: number;

  /**
   * @param make   the state after the last step
   * @param store  where it goes; absent: nowhere
   * @param note   is told why a checkpoint could not be stored
   * @param step   the one that is stored already, 0: none
   */
  constructor(
    private readonly schedule: CheckpointSchedule,
    private readonly make: () => Promise<Checkpoint>,
    private readonly store: ((checkpoint: Checkpoint) => void) | undefined,
    private readonly note: (text: string) => void,
    step: number,
  ) {
    this.#step = step;
  }

  isDue(isEvaluated: boolean): boolean {
    const since = performance.now() - this.#last;
    const { everyMs, shareOfTime } = this.schedule;
    return since >= everyMs || (isEvaluated && since * shareOfTime >= this.#costMs);
  }

  /** Store the state after a step, unless it is there already. */
  async save(step: number): Promise<void> {
    if (!this.store || step === this.#step) return;
    const began = performance.now();
    const checkpoint = await this.make();
    try {
      this.store(checkpoint);
      this.#step = step;
    } catch (error) {
      if (error instanceof RunError) throw error;
      this.note(`no checkpoint at step ${step}: ${messageOf(error)}`);
    }
    this.#last = performance.now();
    this.#costMs = this.#last - began;
  }
}
