import { ExponentialUnit } from './exponential-unit.js';

/** y = x for x > 0, else alpha (exp(x) - 1) (Clevert et al. 2015, arXiv 1511.07289). */
export class Elu extends ExponentialUnit {
  override readonly kind = 'elu';

  constructor(alpha = 1) {
    super(alpha, 1);
  }
}
