import type { Kernel } from '../case.js';
import { convolutionKernels } from './chosen.js';
import { conjugateKernels } from './conjugate.js';
import { curvatureKernels } from './curvature.js';
import { elementwise } from './elementwise.js';
import { fusedKernels } from './fused.js';
import { moves } from './moves.js';
import { products } from './products.js';
import { reductions } from './reductions.js';

/** Every kernel that the engine uses, and some that it may come to use. */
export const kernels: readonly Kernel[] = [
  ...products,
  ...elementwise,
  ...reductions,
  ...moves,
  ...fusedKernels,
  ...curvatureKernels,
  ...conjugateKernels,
  ...convolutionKernels,
];
