import * as tf from '../tf.js';

/**
 * Splitting the `rows` output rows of a layer into at most `maxBlocks` contiguous blocks of ceil(rows / maxBlocks)
 * rows; the last may be shorter, and there may be fewer blocks than asked for (5 rows in 4 blocks: 2, 2, 1).
 *
 * Blocks lie side by side on a leading axis B, the last one padded with zero rows. A zero row of the right-hand side
 * stays zero in every Krylov vector, so padding changes nothing.
 */
export interface RowBlocks {
  readonly rows: number;
  /** Number of blocks, B. */
  readonly count: number;
  /** Rows of a block, padding included, c. */
  readonly size: number;
}

/**
 * Blocks of ceil(rows / maxBlocks) rows.
 *
 * @throws RangeError  maxBlocks is no positive integer
 */
export function splitRows(rows: number, maxBlocks: number): RowBlocks {
  if (!Number.isInteger(maxBlocks) || maxBlocks < 1) {
    throw new RangeError(`blocks must be a positive integer, not ${maxBlocks}`);
  }
  const size = Math.ceil(rows / maxBlocks);
  return { rows, count: Math.ceil(rows / size), size };
}

/** [rows, ...] to [B, c, ...]. */
export function toBlocks(blocks: RowBlocks, x: tf.Tensor): tf.Tensor {
  return tf.reshape(padRows(blocks, x), [blocks.count, blocks.size, ...x.shape.slice(1)]);
}

/** [B, c, ...] to [rows, ...]: the inverse of `toBlocks`. */
export function fromBlocks(blocks: RowBlocks, x: tf.Tensor): tf.Tensor {
  const rest = x.shape.slice(2);
  const flat = tf.reshape(x, [blocks.count * blocks.size, ...rest]);
  return tf.slice(flat, rest.map(() => 0).concat(0), [blocks.rows, ...rest]);
}

/** The diagonal blocks [B, c, c] of a matrix [rows, rows]. */
export function diagonalBlocks(blocks: RowBlocks, matrix: tf.Tensor): tf.Tensor {
  const { rows, count, size } = blocks;
  if (count === 1) return tf.reshape(matrix, [1, size, size]);
  return tf.scoped(() => {
    const missing = count * size - rows;
    const padding: [number, number] = [0, missing];
    const padded = missing === 0 ? matrix : tf.pad(matrix, [padding, padding]);
    // As pieces of c columns, row r of the matrix is B pieces; block j wants the j-th piece of its own rows.
    const pieces = tf.reshape(padded, [count * size * count, size]);
    const wanted = tf.resident(`diagonal pieces ${count} ${size}`, () =>
      tf.tensor1d(
        Array.from({ length: count * size }, (_, row) => row * count + Math.floor(row / size)),
        'int32',
      ),
    );
    return tf.reshape(tf.gather(pieces, wanted as tf.Tensor1D), [count, size, size]);
  });
}

function padRows({ rows, count, size }: RowBlocks, x: tf.Tensor): tf.Tensor {
  const missing = count * size - rows;
  return missing === 0 ? x : tf.concat([x, tf.fill([missing, ...x.shape.slice(1)], 0)]);
}
