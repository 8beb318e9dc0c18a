import { bandwidth, type BlockSizes, cheapestRoute, costsOf, speed, speedupOfChosen } from './routes.js';

/** A layer with parameters, first layer first. */
export interface CutLayer {
  /** Elements of a sample at its input. */
  readonly inputs: number;
  /** Of each parameter: sizes, and the products that it will take, about. */
  readonly blocks: readonly { readonly sizes: BlockSizes; readonly products: number }[];
}

/**
 * Down to which layer the loss Hessian's factor is worth bringing back. Layers below send their tangents forward to that
 * one, as few products do more cheaply than r columns of a factor come back.
 *
 * @returns the number of the lowest layer with a factor of its own; 0: all have one
 */
export function chooseCut(layers: readonly CutLayer[], memoryLimit: number): number {
  const seconds = layers.map((_, cut) => {
    const above = layers.slice(cut).map((layer, k) => ownCost(layer, memoryLimit) + (k === 0 ? 0 : backCost(layer)));
    const below = layers.slice(0, cut).map((layer, l) => chainCost(layer, layers.slice(l + 1, cut + 1)));
    return [...above, ...below].reduce((sum, cost) => sum + cost, 0);
  });
  return seconds.indexOf(Math.min(...seconds));
}

/** All products of a layer that has the factor. */
function ownCost({ blocks }: CutLayer, memoryLimit: number): number {
  return sumOver(blocks, ({ sizes, products }) => {
    const costs = costsOf(sizes);
    const { setUp, perProduct } = costs[cheapestRoute(costs, products, memoryLimit)]!;
    return setUp + products * perProduct;
  });
}

/** Bringing the factor from a layer's output to its input. */
function backCost({ inputs, blocks }: CutLayer): number {
  const { rank, samples } = blocks[0]!.sizes;
  return (2 * rank * samples * macsOf(blocks)) / speed + (12 * rank * samples * inputs) / bandwidth;
}

/** All products of a layer below the cut, with the layers that their tangents pass. */
function chainCost({ blocks }: CutLayer, passed: readonly CutLayer[]): number {
  const { samples } = blocks[0]!.sizes;
  const way = sumOver(
    passed,
    (layer) => (4 * samples * macsOf(layer.blocks)) / speed + (24 * samples * layer.inputs) / bandwidth,
  );
  return sumOver(blocks, ({ sizes, products }) => products * (way + (4 * samples * effective(sizes)) / speed));
}

function macsOf(blocks: CutLayer['blocks']): number {
  return Math.max(...blocks.map(({ sizes }) => effective(sizes)));
}

function effective({ macs, isChosen }: BlockSizes): number {
  return isChosen ? macs / speedupOfChosen : macs;
}

function sumOver<T>(items: readonly T[], cost: (item: T) => number): number {
  return items.reduce((sum, item) => sum + cost(item), 0);
}
