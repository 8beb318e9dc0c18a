import type { Route } from '../../engine/curvature/cvp/index.js';
import type { Tensor } from '../../engine/tf.js';
import type { CgReport } from '../../engine/optim/cg.js';

/**
 * The parts of a step: `curvature` makes the operators of CG-Newton, `solve` is CG with its update, `update` that of the
 * other optimisers (K-FAC's with its factors and eigendecompositions).
 */
export type Phase = 'forward' | 'backward' | 'curvature' | 'solve' | 'update';

/** Is told how a step goes on; for clocks and counters. */
export interface StepObserver {
  /** The phase has ended, as far as the calling thread sees: a GPU works on after a call returns. */
  ended?(phase: Phase): void;
  /** The gradients of a batch, or of a part of it, by place; they are the step's, and gone after the call. */
  differentiated?(gradients: Readonly<Record<string, Tensor>>): void;
  /** How CG ended, by place, one entry a row block. */
  solved?(reports: Readonly<Record<string, readonly CgReport[]>>): void;
  /** Which ways were chosen for exact products, by place. */
  routed?(routes: Readonly<Record<string, Route>>): void;
}

/** What a step may use. */
export interface Resources {
  /** Bytes that a step's activations and curvature may take, about; absent: as many as they need. */
  readonly memoryLimit?: number;
  /** See `CgOptions`. */
  readonly checkEvery?: number;
}
