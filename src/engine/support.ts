import { ConfigError } from '../errors.js';
import { rules } from './curvature/hbp/rules.js';
import type { Layer } from './nn/layer.js';
import type { Sequential } from './nn/sequential.js';
import { kroneckerRefusal } from './optim/kronecker-layer.js';

/** `nothing`: there is nothing to compute, as for the parameters of a layer that has none. */
export type Support = 'yes' | 'nothing' | { readonly refused: string };

interface QuantitySupport {
  readonly title: string;
  readonly of: (layer: Layer) => Support;
  /** What comes nearest, best first, for layers that do not have the quantity. */
  readonly instead: readonly Quantity[];
}

const always = (): Support => 'yes';

function ofParameters(support: (layer: Layer) => Support): (layer: Layer) => Support {
  return (layer) => (layer.parameters.length === 0 ? 'nothing' : support(layer));
}

function ofRule(part: 'inputHessian' | 'parameterCurvature' | 'parameterStorage'): (layer: Layer) => Support {
  return ({ kind }) => (rules[kind]?.[part] ? 'yes' : { refused: `HBP has no rule for ${kind}` });
}

const ofFactors = ofParameters((layer) => {
  const refused = kroneckerRefusal(layer);
  return refused === null ? 'yes' : { refused };
});

/** What can be asked of a layer. The answers come from the tables that the computations themselves run on. */
export const quantities = {
  forward: { title: 'forward', of: always, instead: [] },
  jacobian: { title: 'Jacobian products', of: always, instead: [] },
  'second-order': {
    title: 'second-order term',
    of: (layer) => ('secondOrder' in layer ? 'yes' : 'nothing'),
    instead: [],
  },
  'hbp-input': { title: 'HBP input Hessian', of: ofRule('inputHessian'), instead: ['cvp'] },
  'hbp-parameters': {
    title: 'HBP parameter blocks',
    of: ofParameters(ofRule('parameterCurvature')),
    instead: ['cvp'],
  },
  'row-blocks': { title: 'row blocks', of: ofParameters(ofRule('parameterStorage')), instead: ['cvp'] },
  cvp: { title: 'CVP', of: always, instead: [] },
  'network-hessian': { title: 'network Hessian', of: always, instead: [] },
  'ggn-diagonal': { title: 'GGN diagonal', of: always, instead: [] },
  'kronecker-factors': { title: 'Kronecker factors', of: ofFactors, instead: ['hbp-parameters', 'cvp'] },
  kfac: { title: 'K-FAC optimiser', of: ofFactors, instead: ['hbp-parameters', 'cvp'] },
} as const satisfies Record<string, Omit<QuantitySupport, 'instead'> & { readonly instead: readonly string[] }>;

/** The name of something that can be asked of a layer. */
export type Quantity = keyof typeof quantities;

/** Whether a layer has a quantity, or why not. */
export function supportOf(layer: Layer, quantity: Quantity): Support {
  return quantities[quantity].of(layer);
}

/** The nearest quantity that the layer has. */
export function nearestSupported(layer: Layer, quantity: Quantity): Quantity | undefined {
  const { instead }: QuantitySupport = quantities[quantity];
  return instead.find((other) => supportOf(layer, other) === 'yes');
}

/**
 * Ask before any work.
 *
 * @throws ConfigError  some layer does not have some quantity; lists every such pair, each with the nearest that it has
 */
export function checkSupport(model: Sequential, wanted: readonly Quantity[]): void {
  const refusals = wanted.flatMap((quantity) =>
    model.layers.flatMap(({ path, layer }) => {
      const support = supportOf(layer, quantity);
      if (typeof support === 'string') return [];
      const nearest = nearestSupported(layer, quantity);
      const advice = nearest ? `, use ${quantities[nearest].title}` : '';
      return [`${quantities[quantity].title} of layer ${path} (${support.refused}${advice})`];
    }),
  );
  if (refusals.length > 0) throw new ConfigError(`not supported: ${refusals.join('; ')}`);
}
