/**
 * The parameter curvature of a layer with output Hessian H [o, o], split into row blocks (see `splitRows`): C couples
 * only the rows within a block, so that the diagonal blocks H_j are all of H that it needs. They come as matrices
 * [B, c, c] (see `diagonalBlocks`) or as products through the rest of the network.
 */
import { type KrylovSystem, passing, SymmetricOperator } from '../operator.js';
import { fromBlocks, type RowBlocks, toBlocks } from '../row-blocks.js';
import * as tf from '../../tf.js';
import { type BlockHessian, denseBlocks } from './block-hessian.js';
import { addMeanCoordinates, meanCoordinates } from './mean-coordinates.js';

/** What the operators on row blocks share. */
abstract class Blocked extends SymmetricOperator {
  readonly rowBlocks: { readonly blocks: RowBlocks; readonly axis: number };
  protected readonly hessian: BlockHessian;
  protected readonly blocks: RowBlocks;

  /** @param hessian  as matrices [B, c, c], which stay the caller's, or as products, which are taken over */
  constructor(hessian: tf.Tensor | BlockHessian, blocks: RowBlocks) {
    super();
    this.hessian = hessian instanceof tf.Tensor ? denseBlocks(hessian, blocks) : hessian;
    this.blocks = blocks;
    this.rowBlocks = { blocks, axis: 0 };
  }

  /** H x for the columns of x [o, K], within blocks. */
  protected onColumns(x: tf.Tensor): tf.Tensor {
    return fromBlocks(this.blocks, this.hessian.multiply(toBlocks(this.blocks, x)));
  }

  /** Free the matrices and vectors of the operator. */
  override dispose(): void {
    this.hessian.dispose();
  }
}

/** C v = H v, the curvature of a bias [o]. */
export class BlockDense extends Blocked {
  override readonly shape = [this.blocks.rows];

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    return tf.transpose(this.onColumns(tf.transpose(vs)));
  }

  protected override diagonal(): tf.Tensor {
    return this.hessian.diagonal();
  }

  /** (alpha I + (1 - alpha) C) x = factor b, in the smallest coordinates that hold its Krylov space. */
  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { blocks } = this;
    const rhs = tf.keep(tf.scoped(() => toBlocks(blocks, tf.mul(factor, b))));
    return throughHessian(this.hessian, alpha, 1 - alpha, {
      rhs,
      lift: (x) => fromBlocks(blocks, x),
      dispose: () => rhs.dispose(),
    });
  }
}

/**
 * C V = H V m m^T, the curvature of a weight [o, i] with the averaged input m = (1/N) sum_n x_n [i].
 *
 * With mu = ||m||^2, m^ = m / sqrt(mu), g^ = B m^ and E = B - g^ m^T, every Krylov vector of (alpha I + beta C) and B
 * is xi E + u m^T with a number xi and u in R^o: the operator multiplies xi by alpha and u by alpha I + beta mu H, and
 * E is orthogonal to everything in the range of m^T. So conjugate gradients run on (xi, u), 1 + c numbers a block,
 * with weight ||E_j||^2 on xi (`MeanCoordinates`).
 */
export class BlockKroneckerMean extends Blocked {
  override readonly shape: readonly number[];
  readonly #mean: tf.Tensor;

  /** @param mean  [i] */
  constructor(hessian: tf.Tensor | BlockHessian, blocks: RowBlocks, mean: tf.Tensor) {
    super(hessian, blocks);
    this.shape = [blocks.rows, mean.size];
    this.#mean = tf.keep(tf.view(mean));
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [vectors = 0, rows = 0, fanIn = 0] = vs.shape;
    const along = tf.matMul(tf.reshape(vs, [vectors * rows, fanIn]), tf.reshape(this.#mean, [-1, 1]));
    const product = this.onColumns(tf.transpose(tf.reshape(along, [vectors, rows])));
    return tf.mul(tf.expandDims(tf.transpose(product), 2), this.#mean);
  }

  protected override diagonal(): tf.Tensor {
    return outer(this.hessian.diagonal(), tf.square(this.#mean));
  }

  /** (alpha I + (1 - alpha) C) x = factor b, in the smallest coordinates that hold its Krylov space. */
  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { blocks } = this;
    const coordinates = meanCoordinates(b, this.#mean, blocks, factor);
    const { rhs, metric, square } = coordinates;
    const scale = tf.mul(1 - alpha, square);
    const own = tf.view(b);
    const owned = [...Object.values<tf.Tensor>({ ...coordinates }), scale, own];
    owned.forEach((tensor) => tf.keep(tensor));
    const addTo = (value: tf.Tensor, x: tf.Tensor, length: number): tf.Tensor =>
      addMeanCoordinates(value, own, coordinates, x, blocks, { factor, length });
    return throughHessian(this.hessian, alpha, scale, {
      rhs,
      metric,
      lift: (x) => addTo(tf.zerosLike(own), x, 1),
      addTo,
      dispose: () => tf.dispose(owned),
    });
  }

  /** Free the matrices and vectors of the operator. */
  override dispose(): void {
    super.dispose();
    this.#mean.dispose();
  }
}

/** C V = H V (1/N) X^T X, the curvature of a weight [o, i] with the averaged outer product of the inputs X [N, i]. */
export class BlockKroneckerGram extends Blocked {
  override readonly shape: readonly number[];
  readonly #inputs: tf.Tensor;

  constructor(hessian: tf.Tensor | BlockHessian, blocks: RowBlocks, inputs: tf.Tensor) {
    super(hessian, blocks);
    this.shape = [blocks.rows, inputs.shape[1] ?? 0];
    this.#inputs = tf.keep(tf.view(inputs));
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [vectors = 0, rows = 0, fanIn = 0] = vs.shape;
    const [samples = 0] = this.#inputs.shape;
    const byRow = tf.reshape(tf.transpose(vs, [1, 0, 2]), [rows * vectors, fanIn]);
    const onSamples = tf.reshape(tf.matMul(byRow, this.#inputs, false, true), [rows, vectors * samples]);
    const product = tf.reshape(this.onColumns(onSamples), [rows * vectors, samples]);
    const back = tf.reshape(tf.div(tf.matMul(product, this.#inputs), samples), [rows, vectors, fanIn]);
    return tf.transpose(back, [1, 0, 2]);
  }

  protected override diagonal(): tf.Tensor {
    return outer(this.hessian.diagonal(), tf.mean(tf.square(this.#inputs), 0));
  }

  /** (alpha I + (1 - alpha) C) x = factor b, in the smallest coordinates that hold its Krylov space. */
  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { blocks } = this;
    const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(toBlocks(blocks, x), [blocks.count, -1]);
    const unflat = (x: tf.Tensor): tf.Tensor =>
      fromBlocks(blocks, tf.reshape(x, [blocks.count, blocks.size, this.shape[1] ?? 0]));
    const rhs = tf.keep(tf.scoped(() => flat(tf.mul(factor, b))));
    return {
      rhs,
      apply: (p) => tf.add(tf.mul(alpha, p), tf.mul(1 - alpha, flat(this.matvec(unflat(p))))),
      lift: unflat,
      dispose: () => rhs.dispose(),
    };
  }

  /** Free the matrices and vectors of the operator. */
  override dispose(): void {
    super.dispose();
    this.#inputs.dispose();
  }
}

/**
 * A system that knows the Hessian by H_j v_j alone, for v [B, c]: by its matrices or on a passage through the network. Of a
 * vector p = [.., u_j], u_j the last c coordinates, it makes alpha p + scale [0, H_j u_j].
 */
function throughHessian(
  hessian: BlockHessian,
  alpha: number,
  scale: tf.Tensor | number,
  rest: Omit<KrylovSystem, 'apply' | 'passage'>,
): KrylovSystem {
  const { passage, blocks } = hessian;
  const before = (rest.rhs.shape[1] ?? 0) - blocks.size;
  const enter = (p: tf.Tensor): tf.Tensor => (before === 0 ? p : tf.slice(p, [0, before], [blocks.count, blocks.size]));
  const leave = (curved: tf.Tensor, p: tf.Tensor): tf.Tensor => {
    const product = tf.mul(scale, curved);
    const padding: [number, number][] = [
      [0, 0],
      [before, 0],
    ];
    return tf.add(tf.mul(alpha, p), before === 0 ? product : tf.pad(product, padding));
  };
  if (passage) {
    const { product, at } = passage;
    return passing(
      {
        product,
        at,
        enter: (p) => passage.enter(enter(p)),
        leave: (curved, p) => leave(passage.leave(curved, p), p),
        inBlocks: { blocks, alpha, scale },
      },
      rest,
    );
  }
  const multiply = (v: tf.Tensor): tf.Tensor => tf.squeeze(hessian.multiply(tf.expandDims(v, 2)), [2]);
  return { ...rest, apply: (p) => leave(multiply(enter(p)), p) };
}

function outer(column: tf.Tensor, row: tf.Tensor): tf.Tensor {
  return tf.matMul(tf.reshape(column, [-1, 1]), tf.reshape(row, [1, -1]));
}
