import * as tf from '../tf.js';

/** A backend by the name that TensorFlow.js knows it by. */
export type BackendName = 'tensorflow' | 'webgpu' | 'native' | 'wasm' | 'cpu';

/** What runs the maths. */
export interface Backend {
  readonly name: BackendName;
  /** One line for people: what it is and on what. */
  readonly description: string;
  /** Whether it really computes on a GPU. */
  readonly gpu: boolean;
  /** CPU threads that a kernel may use. */
  readonly threads: number;
  /** Of the package or library that computes. */
  readonly version: string;
  /** The instruction set that its kernels were chosen for, where it says so. */
  readonly isa?: string;
  /** The GPU, or the software that stands in for one. */
  readonly adapter?: string;
  /** Works, but not as well as it should: why, and what to do. */
  readonly caveat?: { readonly reason: string; readonly remedy: string };
}

/** How a backend is asked to start. */
export interface Activation {
  /** Asked for by its name, so even if it is not worth being chosen. */
  readonly named: boolean;
  /** CPU threads, for backends that use several; they decide themselves if absent. */
  readonly threads?: number | undefined;
}

/** A row of the table of backends. */
export interface Candidate {
  readonly name: BackendName;
  /** Whether it can be what `--backend gpu` asks for. */
  readonly mayUseGpu: boolean;
  readonly needs: string;
  /** What to do if it does not work and the failure itself does not say. */
  readonly remedy: string;
  /**
   * Load it and make it the current backend.
   *
   * @throws Error  why it does not work here or is not worth it unless named; an `Unavailable` also says what to do
   */
  readonly activate: (activation: Activation) => Promise<Omit<Backend, 'name'>>;
}

/** Why a backend does not work here, in one line, and what to type or get. */
export class Unavailable extends Error {
  constructor(
    reason: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = 'Unavailable';
  }
}

/**
 * Make a registered backend current. TensorFlow.js falls back to another one without a word when one fails to start.
 *
 * @throws Error  it did not start
 */
export async function startBackend(name: BackendName): Promise<void> {
  const worked = await tf.setBackend(name);
  await tf.ready();
  if (!worked || tf.getBackend() !== name) throw new Error(`TensorFlow.js could not start its ${name} backend`);
}

/** The first line of a message that may have many. */
export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.trim() ?? '';
}
