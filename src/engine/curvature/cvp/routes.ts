/**
 * Ways of the products of one parameter's exact Gauss-Newton block, and which is cheapest: the cost model.
 *
 * With V [r, N, F] the loss Hessian's factor at the layer's output (F elements of a sample there), c multiply-adds of a
 * sample in the layer and P elements of the parameter, a product takes
 *
 * - `chain`: through the network to the loss and back;
 * - `local`: J_w, V V^T, J_w^T: 4 N c operations and 4 r N F bytes;
 * - `rows`: M^T (M v) with M [r N, P] the per-sample gradients of the columns of V: 4 r N P bytes, after 2 r N c operations
 *   to build M;
 * - `square`: M^T M [P, P] after 2 r N P^2 operations more;
 * - `gram`: for linear weights, on coefficients of the N inputs: 2 N^2 o operations and those of V, after 2 N^2 i for the
 *   inputs' Gram matrix.
 */
export const routes = ['chain', 'local', 'rows', 'square', 'gram'] as const;
/** One of `routes`. */
export type Route = (typeof routes)[number];

/** The sizes that decide. */
export interface BlockSizes {
  /** N */
  readonly samples: number;
  /** r */
  readonly rank: number;
  /** F */
  readonly features: number;
  /** P */
  readonly parameters: number;
  /** c; 0 for a bias */
  readonly macs: number;
  /** Whether only the cells that pooling chose are computed. */
  readonly isChosen: boolean;
  /** Inputs and outputs of a linear weight; null for all else. */
  readonly linear: { readonly inputs: number; readonly outputs: number } | null;
  /** Whether M can be built: of a bias, or a convolution without groups. */
  readonly hasRows: boolean;
  /** Whether there is a factor V: none with second-order terms. */
  readonly hasFactor: boolean;
}

export interface RouteCost {
  /** Seconds before the first product, and for each. */
  readonly setUp: number;
  readonly perProduct: number;
  /** Of what is kept meanwhile, V aside. */
  readonly bytes: number;
}

/** Operations and bytes a second; only their ratio matters for the choice. */
export const speed = 150e9;
export const bandwidth = 15e9;
/** Many small products run slower than one large one. */
const shareOfSmallProducts = 0.6;
/** Largest matrix M^T M that is worth a thought. */
const mostSquare = 1024;

/** How much faster convolutions at chosen cells run, by what they leave out. */
export const speedupOfChosen = 2.4;

/**
 * Costs of the ways that there are for such a block. Without a factor it is the chain or, for a linear weight,
 * coefficients of the inputs; what both cost in the rest of the network is left out.
 */
export function costsOf(sizes: BlockSizes): Partial<Record<Route, RouteCost>> {
  const { samples, rank, features, parameters, macs, linear, hasFactor } = sizes;
  const speedup = sizes.isChosen ? speedupOfChosen : 1;
  const operations = (count: number): number => count / speed;
  const bytes = (count: number): number => count / bandwidth;
  const factorBytes = 4 * rank * samples * features;
  const local = {
    setUp: 0,
    perProduct: operations((4 * samples * macs) / speedup) + bytes(factorBytes + 16 * samples * features),
    bytes: 8 * samples * features,
  };
  const gram = linear && {
    setUp: operations(2 * samples ** 2 * linear.inputs + 2 * samples * linear.inputs * linear.outputs),
    perProduct: operations(2 * samples ** 2 * linear.outputs) + bytes(factorBytes + 40 * samples * features),
    bytes: 4 * samples ** 2 + 24 * samples * features,
  };
  if (!hasFactor) return gram ? { chain: local, gram } : { chain: local };
  if (gram) return { local, gram };
  if (!sizes.hasRows) return { local };
  const rowBytes = 4 * rank * samples * parameters;
  const build =
    operations((2 * rank * samples * macs) / speedup / shareOfSmallProducts) + bytes(factorBytes + rowBytes);
  const rows = { setUp: build, perProduct: bytes(rowBytes), bytes: rowBytes };
  if (parameters > mostSquare) return { local, rows };
  const square = {
    setUp: build + operations(2 * rank * samples * parameters ** 2) + bytes(rowBytes),
    perProduct: bytes(4 * parameters ** 2),
    bytes: rowBytes + 4 * parameters ** 2,
  };
  return { local, rows, square };
}

/** The cheapest for so many products within so many bytes; the first of them, which need next to none, if no other fits. */
export function cheapestRoute(costs: Partial<Record<Route, RouteCost>>, products: number, memoryLimit: number): Route {
  let best: Route = costs.local ? 'local' : 'chain';
  let least = Infinity;
  for (const route of routes) {
    const cost = costs[route];
    if (!cost || (cost.bytes > memoryLimit && route !== best)) continue;
    const seconds = cost.setUp + products * cost.perProduct;
    if (seconds < least) [best, least] = [route, seconds];
  }
  return best;
}
