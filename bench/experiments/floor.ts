/**
 * The least time that a step can take: for every phase its operations, each at the machine's peak or at its bandwidth,
 * whichever takes longer. The operations are those of the cheapest known way to the same result; derivatives behind a
 * max pooling are counted at the positions that it lets through only.
 */
import type { OptimizerSpec } from '../../dist/lab/config/schema.js';
import { type LayerSizes, multiplyAdds } from './layers.js';

/** FLOP/s and bytes/s. */
export interface Speeds {
  readonly peak: number;
  readonly bandwidth: number;
}

/** FLOP, and bytes that have to come from and go to memory. */
export interface Work {
  readonly flop: number;
  readonly bytes: number;
}

/** `curvature` is that of the operators with all of CG and its update. */
export type FloorPhase = 'forward' | 'backward' | 'curvature' | 'update';
export type FloorWork = Readonly<Record<FloorPhase, readonly Work[]>>;

const float = 4;
/** Columns of the loss Hessian's factor: classes less one. */
const rank = 9;

export function leastSeconds(works: readonly Work[], { peak, bandwidth }: Speeds): number {
  return works.reduce((sum, { flop, bytes }) => sum + Math.max(flop / peak, bytes / bandwidth), 0);
}

export function totalFlop(work: FloorWork): number {
  return Object.values(work)
    .flat()
    .reduce((sum, { flop }) => sum + flop, 0);
}

/**
 * @param iterations  of CG: one list a parameter, weight before bias, one number a block
 * @param speeds      decide between ways to the same result
 */
export function floorWork(
  layers: readonly LayerSizes[],
  batch: number,
  optimizer: OptimizerSpec,
  iterations: readonly (readonly number[])[],
  speeds: Speeds,
): FloorWork {
  const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0);
  return {
    forward: layers.map((layer) => product(2 * batch * multiplyAdds(layer), batch, layer)),
    backward: layers.flatMap((layer, l) => {
      const one = product(2 * batch * sparseMultiplyAdds(layer), batch, layer);
      return l === 0 ? [one] : [one, one];
    }),
    curvature: optimizer.kind === 'cg-newton' ? newton(layers, batch, optimizer, iterations, speeds) : [],
    update: updateOf(optimizer, layers, batch, parameters),
  };
}

/** A product of a layer reads its input and its weight and writes its output, or the other way round. */
function product(flop: number, batch: number, { before, behind, parameters }: LayerSizes): Work {
  return { flop, bytes: float * (batch * (before + behind) + parameters) };
}

/** Where a pooling lets a part of the outputs through, the derivatives of the others are zero. */
function sparseMultiplyAdds(layer: LayerSizes): number {
  return (multiplyAdds(layer) * layer.kept) / layer.behind;
}

function updateOf(optimizer: OptimizerSpec, layers: readonly LayerSizes[], batch: number, parameters: number): Work[] {
  const passes = (arrays: number): Work => ({ flop: 0, bytes: arrays * float * parameters });
  switch (optimizer.kind) {
    case 'sgd': // parameter and gradient in, parameter out; the buffer in and out
      return [passes(optimizer.momentum > 0 ? 5 : 3)];
    case 'adam':
      return [passes(7)];
    case 'kfac':
      return [passes(5), ...layers.flatMap((layer) => kfacWork(layer, batch, optimizer))];
    case 'cg-newton':
      return [];
  }
}

/** Of an average step: products into the eigenbases and back, factors every TCov steps, bases every TInv. */
function kfacWork(layer: LayerSizes, batch: number, { TCov, TInv }: { TCov: number; TInv: number }): Work[] {
  const [i, o] = [layer.fanIn + 1, layer.outputs];
  const rows = batch * layer.positions;
  // A convolution's patches overlap: their products depend on the shift between two places only.
  const patches = layer.kind === 'linear' ? i * i : (25 / 81) * i * i;
  return [
    { flop: 2 * 2 * (o * o * i + o * i * i), bytes: float * (2 * i * i + 2 * o * o + 4 * o * i) },
    {
      flop: (rows * (patches + o * o)) / TCov,
      bytes: (float * (batch * (layer.before + layer.behind) + i * i + o * o)) / TCov,
    },
    { flop: (4 * (i ** 3 + o ** 3)) / TInv, bytes: 0 },
  ];
}

function newton(
  layers: readonly LayerSizes[],
  batch: number,
  optimizer: Extract<OptimizerSpec, { kind: 'cg-newton' }>,
  iterations: readonly (readonly number[])[],
  speeds: Speeds,
): Work[] {
  const most = (p: number): number => Math.max(0, ...(iterations[p] ?? []));
  const counts = layers.map((_, l): Counts => ({ weight: most(2 * l), bias: most(2 * l + 1) }));
  if (optimizer.curvature === 'hbp') return averaged(layers, batch, counts, iterations);
  return optimizer.secondOrder === 'zero'
    ? cheapestCut(layers, batch, counts, speeds)
    : layers.flatMap((_, l) => chain(layers, batch, counts, l, speeds));
}

/** CG iterations of a layer's parameters. */
interface Counts {
  readonly weight: number;
  readonly bias: number;
}

/**
 * Averaged Jacobians: means over the batch; three passes over gradient and weight (projection, remainder, update); in
 * every iteration the chain of averaged Jacobians to the loss and back, a column a block.
 */
function averaged(
  layers: readonly LayerSizes[],
  batch: number,
  counts: readonly Counts[],
  iterations: readonly (readonly number[])[],
): Work[] {
  return layers.flatMap((layer, l) => {
    const behind = layers.slice(l + 1).reduce((sum, { fanIn, outputs }) => sum + fanIn * outputs, 0);
    const columns = iterations[2 * l]?.length ?? 1;
    const { weight, bias } = counts[l]!;
    return [
      { flop: 0, bytes: float * batch * layer.behind },
      { flop: 6 * layer.parameters, bytes: 6 * float * layer.parameters },
      { flop: 4 * columns * (weight + bias) * behind, bytes: 0 },
    ];
  });
}

/** A tangent of each CG iteration of layer l goes to the loss and back, as the outer layers let through. */
function chain(
  layers: readonly LayerSizes[],
  batch: number,
  counts: readonly Counts[],
  l: number,
  speeds: Speeds,
  end = layers.length,
): Work[] {
  const layer = layers[l]!;
  const { weight, bias } = counts[l]!;
  const links = layers.slice(l + 1, end).map((link) => ({
    flop: 4 * batch * (weight + bias) * sparseMultiplyAdds(link),
    bytes: float * 2 * batch * (weight + bias) * (link.before + link.kept),
  }));
  const own = { flop: 4 * batch * weight * sparseMultiplyAdds(layer), bytes: 0 };
  return [...links, ...cheapest([[own], ...dual(layer, batch, weight)], speeds)];
}

/** Coordinates of the length of the batch, for linear layers with more inputs than that. */
function dual({ kind, fanIn, outputs, parameters }: LayerSizes, batch: number, count: number): Work[][] {
  if (kind !== 'linear' || fanIn <= batch) return [];
  return [
    [
      { flop: batch * batch * fanIn + 2 * batch * fanIn * outputs, bytes: float * (batch * fanIn + parameters) },
      { flop: 2 * batch * batch * outputs * count, bytes: 0 },
    ],
  ];
}

/** Gauss-Newton: layers before a cut by chains to it, the others from the back-propagated factor; or chains alone. */
function cheapestCut(layers: readonly LayerSizes[], batch: number, counts: readonly Counts[], speeds: Speeds): Work[] {
  const cuts = layers.map((_, cut) => {
    const factor = layers.slice(cut + 1).map((layer) => ({
      flop: 2 * rank * batch * sparseMultiplyAdds(layer),
      bytes: float * rank * batch * (layer.kept + layer.before),
    }));
    const before = layers.slice(0, cut).flatMap((_, l) => {
      const { weight, bias } = counts[l]!;
      const atCut = { flop: 0, bytes: float * 2 * rank * batch * layers[cut]!.kept * Math.max(weight, bias) };
      return [...chain(layers, batch, counts, l, speeds, cut + 1), atCut];
    });
    const local = layers.slice(cut).flatMap((layer, l) => fromFactor(layer, batch, counts[cut + l]!, speeds));
    return [...factor, ...before, ...local];
  });
  const plain = layers.flatMap((_, l) => chain(layers, batch, counts, l, speeds));
  return cheapest([...cuts, plain], speeds);
}

/** A layer's CG with its factor at hand: per sample, by explicit rows, by their Gram matrix, or in dual coordinates. */
function fromFactor(layer: LayerSizes, batch: number, { weight, bias }: Counts, speeds: Speeds): Work[] {
  const p = layer.parameters;
  const rows = rank * batch;
  const applied = { flop: 4 * rows * layer.kept * weight, bytes: float * 2 * rows * layer.kept * weight };
  const build = { flop: 2 * rows * sparseMultiplyAdds(layer), bytes: float * rows * (layer.kept + p) };
  const ways: Work[][] = [
    [{ flop: 4 * batch * sparseMultiplyAdds(layer) * weight, bytes: 0 }, applied],
    [build, { flop: 4 * rows * p * weight, bytes: float * rows * p * weight }],
    [
      build,
      { flop: rows * p * p, bytes: float * rows * p },
      { flop: 2 * p * p * weight, bytes: float * p * p * weight },
    ],
    ...dual(layer, batch, weight).map((works) => [...works, applied]),
  ];
  const ofBias = {
    flop: rows * layer.outputs ** 2,
    bytes: bias > 0 ? float * rows * layer.kept : 0,
  };
  return [...cheapest(ways, speeds), ofBias];
}

function cheapest(ways: readonly Work[][], speeds: Speeds): Work[] {
  return ways.reduce((best, way) => (leastSeconds(way, speeds) < leastSeconds(best, speeds) ? way : best));
}
