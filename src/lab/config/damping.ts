import type { OptimizerSpec } from './schema.js';

/** What an optimiser adds to its curvature; null for one that has none. */
export function dampingOf(optimizer: OptimizerSpec): number | null {
  switch (optimizer.kind) {
    case 'cg-newton':
      return optimizer.alpha;
    case 'kfac':
      return optimizer.damping;
    case 'sgd':
    case 'adam':
      return null;
  }
}
