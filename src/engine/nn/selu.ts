import { ExponentialUnit } from './exponential-unit.js';

/** An ELU whose constants keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017, arXiv 1706.02515). */
export class Selu extends ExponentialUnit {
  override readonly kind = 'selu';

  constructor() {
    super(1.6732632423543772, 1.0507009873554805);
  }
}
