import * as tf from '../../engine/tf.js';

/** GFLOP/s of the two operations that training is made of. */
export interface Speed {
  readonly matMul: number;
  readonly conv2d: number;
}

/**
 * Measure the current backend.
 *
 * @param milliseconds  for both operations together; a slow backend gets smaller operands, not more time
 * @throws Error  a result is wrong
 */
export async function measureSpeed(milliseconds: number): Promise<Speed> {
  return {
    matMul: await fastest(product, [64, 128, 256, 512, 1024, 2048, 4096], milliseconds / 2),
    conv2d: await fastest(convolution, [1, 4, 16, 64, 256, 1024], milliseconds / 2),
  };
}

/** An operation on constant operands, of which any element of the result is known. */
interface Case {
  readonly operands: tf.Tensor[];
  readonly flops: number;
  readonly run: () => tf.Tensor;
  readonly element: number;
}

/** [n, n] times [n, n]. */
function product(n: number): Case {
  const operands = [tf.fill([n, n], 0.5), tf.fill([n, n], 0.25)];
  return { operands, flops: 2 * n ** 3, run: () => tf.matMul(operands[0]!, operands[1]!), element: n / 8 };
}

/** n pictures of 32 x 32 x 16 with 16 kernels of 3 x 3, no padding. */
function convolution(n: number): Case {
  const [x, weight] = [tf.fill([n, 32, 32, 16], 0.5), tf.fill([3, 3, 16, 16], 0.25)];
  const run = (): tf.Tensor => tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, 1, 'valid');
  return { operands: [x, weight], flops: 2 * n * 30 * 30 * 16 * 9 * 16, run, element: (9 * 16) / 8 };
}

/** From a size to the next a call takes at most so many times as long. */
const largestGrowth = 8;
/** A call of so many milliseconds is measured well; operands grow until then. */
const longEnough = 40;

/** The best rate in GFLOP/s over calls of growing size, until the time is over. */
async function fastest(
  create: (size: number) => Case,
  sizes: readonly number[],
  milliseconds: number,
): Promise<number> {
  const end = performance.now() + milliseconds;
  let best = 0;
  let repeat = 1;
  for (const [i, size] of sizes.entries()) {
    const current = create(size);
    const rate = async (): Promise<number> => {
      const took = await timed(current, repeat);
      best = Math.max(best, (current.flops * repeat) / took / 1e6);
      return took / repeat;
    };
    let call = await rate();
    call = Math.min(call, await rate()); // the first call also prepares kernels for the size
    const last = i === sizes.length - 1 || call >= longEnough || performance.now() + 3 * largestGrowth * call > end;
    if (last) {
      repeat = Math.max(1, Math.ceil(longEnough / call)); // so that waiting for a GPU's answer does not count
      while (performance.now() + repeat * call < end) await rate();
    }
    tf.dispose(current.operands);
    if (last) break;
  }
  return best;
}

/** Milliseconds of some calls and of reading one element of the last, which waits for all. */
async function timed({ run, element }: Case, repeat: number): Promise<number> {
  const began = performance.now();
  let result = run();
  for (let i = 1; i < repeat; i++) {
    result.dispose();
    result = run();
  }
  const corner = tf.slice(
    result,
    result.shape.map(() => 0),
    result.shape.map(() => 1),
  );
  const [value = NaN] = await corner.data();
  const took = performance.now() - began;
  tf.dispose([result, corner]);
  if (!(Math.abs(value - element) <= 1e-4 * element)) throw new Error(`wrong result: ${value} instead of ${element}`);
  return Math.max(took, 1e-3);
}
