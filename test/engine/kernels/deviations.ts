import type { KernelCase } from './case.js';

/** Where a backend is known to differ from the reference, and why that is accepted. */
export interface Deviation {
  readonly kernels: readonly string[];
  readonly reason: string;
  /** The cases that differ; without it the backend has no such kernel, which is tested. */
  readonly of?: (call: KernelCase) => boolean;
}

export const deviations: Readonly<Record<string, readonly Deviation[]>> = {
  cpu: [],
  wasm: [],
  native: [],
  webgpu: [],
};
