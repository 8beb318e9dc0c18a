/**
 * Shapes on their way to the addon. It reads them from one array that both sides share; what a kernel puts there counts
 * for the next call only.
 */
import type { Placement } from '../../nn/window.js';

/** Axes that a walk may have after neighbours have been joined. */
export const mostAxes = 8;

/** The array that the addon reads. */
export const shapes = new Int32Array(1 + 4 * mostAxes);

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Strides of an operand that is broadcast to `rank` axes: 0 where it is repeated. */
export function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = stridesOf(shape);
  const missing = rank - shape.length;
  return Array.from({ length: rank }, (_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : own[axis - missing]!,
  );
}

/**
 * A walk over a box: sizes, and the strides of two sources and a target along each axis. Axes of length 1 go, and
 * neighbours that every array crosses in one stride become one.
 *
 * @returns false if too many axes are left
 */
export function putWalk(
  size: readonly number[],
  a: readonly number[],
  b: readonly number[],
  y: readonly number[],
): boolean {
  const axes: number[] = [];
  for (let axis = 0; axis < size.length; axis++) if (size[axis] !== 1) axes.push(axis);
  const sizes: number[] = [];
  const strides: [number[], number[], number[]] = [[], [], []];
  for (const axis of axes) {
    const last = sizes.length - 1;
    const joins =
      last >= 0 &&
      strides[0][last] === a[axis]! * size[axis]! &&
      strides[1][last] === b[axis]! * size[axis]! &&
      strides[2][last] === y[axis]! * size[axis]!;
    if (joins) {
      sizes[last]! *= size[axis]!;
      [strides[0][last], strides[1][last], strides[2][last]] = [a[axis]!, b[axis]!, y[axis]!];
    } else {
      sizes.push(size[axis]!);
      strides[0].push(a[axis]!);
      strides[1].push(b[axis]!);
      strides[2].push(y[axis]!);
    }
  }
  if (sizes.length > mostAxes) return false;
  if (sizes.length === 0) {
    putLine(1, 1, 1);
    return true;
  }
  shapes[0] = sizes.length;
  shapes.set(sizes, 1);
  strides.forEach((stride, k) => shapes.set(stride, 1 + (k + 1) * sizes.length));
  return true;
}

/** The commonest walk: n elements in a row, operands with stride 1, or 0 for a single number. */
export function putLine(n: number, strideA: number, strideB: number): void {
  shapes[0] = 1;
  shapes[1] = n;
  shapes[2] = strideA;
  shapes[3] = strideB;
  shapes[4] = 1;
}

/** x as [outer, length, inner] around consecutive axes `first` to `last`. */
export function around(shape: readonly number[], first: number, last: number): [number, number, number] {
  return [product(shape, 0, first), product(shape, first, last + 1), product(shape, last + 1, shape.length)];
}

function product(shape: readonly number[], begin: number, end: number): number {
  let size = 1;
  for (let axis = begin; axis < end; axis++) size *= shape[axis]!;
  return size;
}

/** How many numbers `putPlacement` puts. */
export const placementLength = 14;

/** Tell the addon where the windows are on pictures [n, height, width, channels]. */
export function putPlacement(n: number, channels: number, placement: Placement): void {
  const { input, output, kernel, stride, dilation, padding } = placement;
  shapes.set([n, ...input, channels, ...output, ...kernel, ...stride, ...dilation, padding[0], padding[2]]);
}

/** Tell the addon of a convolution of n pictures. */
export function putConvolution(n: number, channels: number, outputs: number, placement: Placement): void {
  const { input, output, kernel, stride, dilation, padding } = placement;
  const [top, , left] = padding;
  const [bottom, right] = ([top, left] as const).map((before, axis) => {
    const i = axis as 0 | 1;
    return Math.max(0, (output[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - input[i] - before);
  }) as [number, number];
  shapes.set([n, ...input, channels, ...output, outputs, ...kernel, ...stride, ...dilation, top, bottom, left, right]);
}
