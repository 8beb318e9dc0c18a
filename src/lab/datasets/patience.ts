/** Gives up on somebody who is silent for too long: `signal` is aborted then. */
export class Patience {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** @param ms  since the start or what was last heard */
  constructor(ms: number) {
    const reason = new Error(`nothing came for ${ms / 1000} s`);
    this.#timer = setTimeout(() => this.#controller.abort(reason), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
