/** Which kernels of the current backend take the time. */
import * as tf from '../dist/engine/tf.js';

/** What one kernel cost. */
export interface KernelCost {
  readonly kernel: string;
  readonly calls: number;
  /** Without the kernels that it called itself. */
  readonly seconds: number;
}

/**
 * Puts a clock around every kernel of the current backend, for the rest of the process. On a GPU it sees how long
 * kernels take to be asked for, not to run.
 */
export class KernelProfile {
  readonly #costs = new Map<string, { calls: number; seconds: number }>();
  /** Milliseconds that kernels called by the running ones took, one entry for each running kernel. */
  readonly #nested: number[] = [];

  constructor() {
    for (const config of tf.getKernelsForBackend(tf.getBackend())) {
      tf.unregisterKernel(config.kernelName, config.backendName);
      tf.registerKernel({ ...config, kernelFunc: this.#timed(config.kernelName, config.kernelFunc) });
    }
  }

  #timed(kernel: string, run: tf.KernelFunc): tf.KernelFunc {
    return (params) => {
      this.#nested.push(0);
      const start = performance.now();
      try {
        return run(params);
      } finally {
        const elapsed = performance.now() - start;
        const own = elapsed - (this.#nested.pop() ?? 0);
        const outer = this.#nested.length - 1;
        if (outer >= 0) this.#nested[outer]! += elapsed;
        const { calls, seconds } = this.#costs.get(kernel) ?? { calls: 0, seconds: 0 };
        this.#costs.set(kernel, { calls: calls + 1, seconds: seconds + own / 1000 });
      }
    };
  }

  /** Forget what has been counted. */
  reset(): void {
    this.#costs.clear();
  }

  /** The dearest first. */
  costs(): KernelCost[] {
    return [...this.#costs].map(([kernel, cost]) => ({ kernel, ...cost })).sort((a, b) => b.seconds - a.seconds);
  }
}
