/** Sliding windows over pictures: where a convolution or a pooling layer puts its kernel. */

/** One number for both directions, or vertical and horizontal. */
export type Pair = number | readonly [vertical: number, horizontal: number];

/**
 * Cells added around a picture: a `Pair` for both sides of each direction, or the four sides. `same` is the rule of
 * TensorFlow: ceil(input / stride) outputs, the padding split evenly, an odd cell at the bottom and right.
 */
export type Padding = 'same' | Pair | readonly [top: number, bottom: number, left: number, right: number];

/** A kernel, and how it moves over a picture. */
export interface WindowOptions {
  readonly kernel: Pair;
  /** Steps between windows; 1 if absent. */
  readonly stride?: Pair;
  /** 0 if absent. */
  readonly padding?: Padding;
  /** Steps between the cells of a window; 1 if absent. */
  readonly dilation?: Pair;
}

type Two = readonly [number, number];
/** Cells added on each side. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

/** A checked window, still without a picture. */
export interface Window {
  readonly kernel: Two;
  readonly stride: Two;
  readonly dilation: Two;
  readonly padding: 'same' | Sides;
}

/** A window on pictures of a given size: [height, width] throughout. */
export interface Placement {
  readonly kernel: Two;
  readonly stride: Two;
  readonly dilation: Two;
  readonly padding: Sides;
  readonly input: Two;
  /** Number of windows. */
  readonly output: Two;
}

/** @throws RangeError  a size that is no positive integer, or a negative padding */
export function windowOf({ kernel, stride = 1, padding = 0, dilation = 1 }: WindowOptions): Window {
  const positive = (name: string, pair: Pair): Two => check(name, 1, pairOf(pair));
  return {
    kernel: positive('kernel', kernel),
    stride: positive('stride', stride),
    dilation: positive('dilation', dilation),
    padding: padding === 'same' ? padding : sidesOf(padding),
  };
}

/** @throws RangeError  the window does not fit into the padded picture */
export function placeWindow(window: Window, input: Two): Placement {
  const { kernel, stride, dilation } = window;
  const padding = window.padding === 'same' ? samePadding(window, input) : window.padding;
  const outputs = (axis: 0 | 1): number => {
    const length = input[axis] + padding[2 * axis]! + padding[2 * axis + 1]!;
    return Math.floor((length - extent(window, axis)) / stride[axis]) + 1;
  };
  const output = [outputs(0), outputs(1)] as const;
  if (output[0] < 1 || output[1] < 1) {
    throw new RangeError(
      `a window of ${extent(window, 0)} x ${extent(window, 1)} does not fit into a picture of ${input[0]} x ${input[1]} with padding [${padding.join(', ')}]`,
    );
  }
  return { kernel, stride, dilation, padding, input, output };
}

/** The padding of `same` for this picture. */
export function samePadding(window: Pick<Window, 'kernel' | 'stride' | 'dilation'>, input: Two): Sides {
  const total = (axis: 0 | 1): number => {
    const stride = window.stride[axis];
    return Math.max((Math.ceil(input[axis] / stride) - 1) * stride + extent(window, axis) - input[axis], 0);
  };
  const [vertical, horizontal] = [total(0), total(1)];
  return [Math.floor(vertical / 2), Math.ceil(vertical / 2), Math.floor(horizontal / 2), Math.ceil(horizontal / 2)];
}

/** Cells from the first to the last of a window, in one direction. */
function extent({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>, axis: 0 | 1): number {
  return (kernel[axis] - 1) * dilation[axis] + 1;
}

function pairOf(pair: Pair): Two {
  return typeof pair === 'number' ? [pair, pair] : pair;
}

/** @throws RangeError  a padding that is no non-negative integer */
export function sidesOf(padding: Exclude<Padding, 'same'>): Sides {
  if (typeof padding !== 'number' && padding.length === 4) return check('padding', 0, padding);
  const [vertical, horizontal] = pairOf(padding);
  return check('padding', 0, [vertical, vertical, horizontal, horizontal]);
}

function check<T extends readonly number[]>(name: string, least: number, values: T): T {
  if (values.every((value) => Number.isInteger(value) && value >= least)) return values;
  throw new RangeError(
    `${name} must be ${least === 1 ? 'positive' : 'non-negative'} integers, not ${values.join(', ')}`,
  );
}
