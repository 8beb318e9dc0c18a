import { type KrylovSystem, SymmetricOperator } from '../operator.js';
import { diagonalBlocks, fromBlocks, type RowBlocks, toBlocks } from '../row-blocks.js';
import * as tf from '../../tf.js';

/**
 * The curvature of a convolution weight [kh, kw, in / groups, out]: C = U^T H U with the mean unfolded input U_g [P, k]
 * of each group and the output Hessian H over (position, channel), split into blocks of output channels.
 *
 * Whichever is smaller is kept: U and H, or U^T H U itself.
 */
export class BlockConvolution extends SymmetricOperator {
  override readonly shape: readonly number[];
  readonly rowBlocks: { readonly blocks: RowBlocks; readonly axis: number };
  /** Blocks of output channels, each channel with k or P numbers: [B, c k, c k] or [B, c P, c P]. */
  readonly #hessians: tf.Tensor;
  /** U [groups, P, k]; null where it is contained in the Hessians. */
  readonly #windows: tf.Tensor | null;

  /** @param shape  of the weight; @param hessian [P out, P out]; @param windows  U [groups, P, k] */
  constructor(
    shape: readonly number[],
    hessian: tf.Tensor,
    windows: tf.Tensor,
    private readonly blocks: RowBlocks,
  ) {
    super();
    this.shape = [...shape];
    this.rowBlocks = { blocks, axis: 3 };
    const [, positions = 0, cells = 0] = windows.shape;
    const contracted = cells <= positions;
    this.#windows = contracted ? null : tf.keep(tf.view(windows));
    this.#hessians = tf.scoped(() => {
      const matrix = contracted ? contract(hessian, windows) : channelsFirst(hessian, positions);
      return tf.keep(diagonalBlocks(each(blocks, contracted ? cells : positions), matrix));
    });
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [vectors = 0] = vs.shape;
    const out = this.blocks.rows;
    const columns = tf.reshape(tf.transpose(tf.reshape(vs, [vectors, -1, out]), [2, 1, 0]), [-1, vectors]);
    const product = this.#onColumns(columns);
    return tf.reshape(tf.transpose(tf.reshape(product, [out, -1, vectors]), [2, 1, 0]), vs.shape);
  }

  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { rows: out } = this.blocks;
    const cells = b.size / out;
    const blocks = each(this.blocks, cells);
    const toSystems = (column: tf.Tensor): tf.Tensor => tf.squeeze(toBlocks(blocks, column), [2]);
    const toColumn = (x: tf.Tensor): tf.Tensor => fromBlocks(blocks, tf.expandDims(x, 2));
    const rhs = tf.keep(
      tf.scoped(() => toSystems(tf.reshape(tf.transpose(tf.reshape(tf.mul(factor, b), [cells, out])), [b.size, 1]))),
    );
    return {
      rhs,
      apply: (p) => tf.add(tf.mul(alpha, p), tf.mul(1 - alpha, toSystems(this.#onColumns(toColumn(p))))),
      lift: (x) => tf.reshape(tf.transpose(tf.reshape(toColumn(x), [out, cells])), [...this.shape]),
      dispose: () => rhs.dispose(),
    };
  }

  override dispose(): void {
    tf.dispose([this.#hessians, this.#windows ?? []]);
  }

  /** C x for columns x [out k, V], output channel slowest. */
  #onColumns(x: tf.Tensor): tf.Tensor {
    const blocks = each(this.blocks, (this.#hessians.shape[1] ?? 0) / this.blocks.size);
    const seen = this.#throughWindows(x, false);
    return this.#throughWindows(fromBlocks(blocks, tf.matMul(this.#hessians, toBlocks(blocks, seen))), true);
  }

  /** U x, [out k, V] to [out P, V], or back with the transpose. */
  #throughWindows(x: tf.Tensor, transpose: boolean): tf.Tensor {
    if (!this.#windows) return x;
    const [groups = 0, positions = 0, cells = 0] = this.#windows.shape;
    const [rows = 0, vectors = 0] = x.shape;
    const [from, to] = transpose ? [positions, cells] : [cells, positions];
    const perGroup = rows / from / groups;
    // [groups, channels, from, V] with the contracted axis last.
    const last = tf.transpose(tf.reshape(x, [groups * perGroup, from, vectors]), [0, 2, 1]);
    const product = tf.matMul(tf.reshape(last, [groups, perGroup * vectors, from]), this.#windows, false, !transpose);
    const back = tf.transpose(tf.reshape(product, [groups * perGroup, vectors, to]), [0, 2, 1]);
    return tf.reshape(back, [groups * perGroup * to, vectors]);
  }
}

/** Blocks of channels as blocks of the rows of a matrix with `size` rows a channel. */
function each({ rows, count, size }: RowBlocks, perChannel: number): RowBlocks {
  return { rows: rows * perChannel, count, size: size * perChannel };
}

/** [P out, P out] to [out P, out P]. */
function channelsFirst(hessian: tf.Tensor, positions: number): tf.Tensor {
  const [size = 0] = hessian.shape;
  const out = size / positions;
  return tf.reshape(tf.transpose(tf.reshape(hessian, [positions, out, positions, out]), [1, 0, 3, 2]), [size, size]);
}

/** U^T H U, [P out, P out] to [out k, out k]: rows first, then, turned round, columns. */
function contract(hessian: tf.Tensor, windows: tf.Tensor): tf.Tensor {
  const half = tf.scoped(() => tf.transpose(contractRows(hessian, windows)));
  return tf.scoped(() => contractRows(half, windows));
}

/** U^T times the rows of a matrix [P out, R], group by group: [out k, R]. */
function contractRows(matrix: tf.Tensor, windows: tf.Tensor): tf.Tensor {
  const [groups = 0, positions = 0, cells = 0] = windows.shape;
  const [rows = 0, columns = 0] = matrix.shape;
  const out = rows / positions;
  const perGroup = out / groups;
  const split = tf.reshape(matrix, [positions, groups, perGroup * columns]);
  const byGroup = groups === 1 ? tf.reshape(split, [1, positions, perGroup * columns]) : tf.transpose(split, [1, 0, 2]);
  const product = tf.reshape(tf.matMul(windows, byGroup, true, false), [groups, cells, perGroup, columns]);
  return tf.reshape(tf.transpose(product, [0, 2, 1, 3]), [out * cells, columns]);
}
