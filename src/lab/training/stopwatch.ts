/** Time spent on a run, also before it was interrupted, and how much of it went to other things than steps [ms]. */
export class Stopwatch {
  readonly #began: number;
  #asideMs: number;

  constructor({ wallMs, asideMs }: StopwatchReading = { wallMs: 0, asideMs: 0 }) {
    this.#began = performance.now() - wallMs;
    this.#asideMs = asideMs;
  }

  /** Do something that does not count as a step. */
  async aside<T>(body: () => Promise<T>): Promise<T> {
    const paused = performance.now();
    const result = await body();
    this.#asideMs += performance.now() - paused;
    return result;
  }

  read(): StopwatchReading {
    return { wallMs: performance.now() - this.#began, asideMs: this.#asideMs };
  }
}

export interface StopwatchReading {
  readonly wallMs: number;
  readonly asideMs: number;
}
