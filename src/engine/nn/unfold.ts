import * as tf from '../tf.js';
import type { Placement, Sides } from './window.js';

/**
 * The windows of pictures as rows ("im2col"): [N, H, W, C] to [N, P, kh kw C], P = output positions in row-major order.
 *
 * The elements of a row are in the order of a convolution weight [kh, kw, C, out], so that a convolution is
 * unfold(x) times the weight as a matrix [kh kw C, out].
 */
export function unfold(x: tf.Tensor, placement: Placement): tf.Tensor {
  const [samples = 0, , , channels = 0] = x.shape;
  const [positions, cells] = [placement.output, placement.kernel].map(([a, b]) => a * b) as [number, number];
  return tf.reshape(tf.concat(windowCells(x, placement), 3), [samples, positions, cells * channels]);
}

/**
 * The cells of all windows, one tensor [N, outH, outW, C] for each place (u, v) of the kernel in row-major order.
 *
 * A cell is u * dilation = a * stride + i steps from its window's first. So it lies in plane i of the picture, that is
 * every `stride`th row from row i on, shifted by a; the same for columns. Cutting planes out first is faster than
 * strided slices by far.
 *
 * @param fill  what lies outside of the picture
 */
export function windowCells(x: tf.Tensor, placement: Placement, fill = 0): tf.Tensor[] {
  const { stride, output } = placement;
  const [samples = 0, , , channels = 0] = x.shape;
  const steps = stepsOf(placement);
  const [rows, columns] = ([0, 1] as const).map(
    (axis) => output[axis] + Math.max(...steps[axis].map(({ shift }) => shift)),
  );
  const size = [rows! * stride[0], columns! * stride[1]] as const;
  return tf.scoped(() => {
    const [top, , left] = placement.padding;
    const picture = shifted(x, [top, left], size, fill);
    const byPlane = tf.reshape(picture, [samples * rows!, stride[0], columns!, stride[1] * channels]);
    const planes = grid(...stride).map(([i, j]) =>
      tf.reshape(
        stride[0] * stride[1] === 1
          ? picture
          : tf.slice(byPlane, [0, i, 0, j * channels], [samples * rows!, 1, columns!, channels]),
        [samples, rows!, columns!, channels],
      ),
    );
    return steps[0].flatMap((u) =>
      steps[1].map((v) =>
        tf.slice(planes[u.plane * stride[1] + v.plane]!, [0, u.shift, v.shift, 0], [samples, ...output, channels]),
      ),
    );
  });
}

/**
 * The transpose of `windowCells`: every cell [N, outH, outW, C] goes back to its pixel, [N, H, W, C] in all; cells on
 * the same pixel add up.
 */
export function spreadCells(cells: readonly tf.Tensor[], placement: Placement): tf.Tensor {
  const { stride, output, input, padding } = placement;
  const [samples = 0, , , channels = 0] = cells[0]!.shape;
  const [rows, columns] = stepsOf(placement);
  const shifts = (steps: readonly Step[]): number[] => [...new Set(steps.map(({ shift }) => shift))];
  const positions = samples * output[0] * output[1];
  /** The cells of one shift, woven into the picture that they are planes of. */
  const woven = (a: number, b: number): tf.Tensor => {
    const nothing = tf.zeros([positions, channels]);
    const planeOf = (i: number, j: number): tf.Tensor => {
      const u = rows.findIndex(({ shift, plane }) => shift === a && plane === i);
      const v = columns.findIndex(({ shift, plane }) => shift === b && plane === j);
      return u < 0 || v < 0 ? nothing : tf.reshape(cells[u * columns.length + v]!, [positions, channels]);
    };
    const lines = range(stride[0]).map((i) => {
      const line = tf.scoped(() => concatColumns(range(stride[1]).map((j) => planeOf(i, j))));
      return tf.reshape(line, [samples * output[0], -1]);
    });
    const picture = tf.reshape(concatColumns(lines), [samples, output[0] * stride[0], output[1] * stride[1], channels]);
    return shifted(picture, [a * stride[0] - padding[0], b * stride[1] - padding[2]], input);
  };
  const terms = shifts(rows).flatMap((a) => shifts(columns).map((b) => () => tf.scoped(() => woven(a, b))));
  return sumOneByOne(terms);
}

/** The sum of tensors that are made one at a time, when it is their turn. */
function sumOneByOne(terms: readonly (() => tf.Tensor)[]): tf.Tensor {
  const [first, ...rest] = terms;
  return rest.reduce((sum, term) => {
    const next = tf.scoped(() => tf.add(sum, term()));
    sum.dispose();
    return next;
  }, first!());
}

function concatColumns(parts: tf.Tensor[]): tf.Tensor {
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
}

/** A place along one side of the kernel: its plane of the picture and how far it lies within the plane. */
interface Step {
  readonly plane: number;
  readonly shift: number;
}

function stepsOf({ kernel, stride, dilation }: Placement): [readonly Step[], readonly Step[]] {
  const along = (axis: 0 | 1): Step[] =>
    range(kernel[axis]).map((u) => ({
      plane: (u * dilation[axis]) % stride[axis],
      shift: Math.floor((u * dilation[axis]) / stride[axis]),
    }));
  return [along(0), along(1)];
}

/** Pictures of another size: pixel (y, x) goes to (y + top, x + left) or falls out; `fill` where none comes from. */
function shifted(
  x: tf.Tensor,
  [top, left]: readonly [number, number],
  [height, width]: readonly [number, number],
  fill = 0,
): tf.Tensor {
  const [samples = 0, rows = 0, columns = 0, channels = 0] = x.shape;
  const kept = (offset: number, from: number, to: number): [begin: number, size: number] => {
    const begin = Math.max(0, -offset);
    return [begin, Math.max(0, Math.min(from, to - offset) - begin)];
  };
  const [y, keptRows] = kept(top, rows, height);
  const [z, keptColumns] = kept(left, columns, width);
  if (keptRows === 0 || keptColumns === 0) return tf.fill([samples, height, width, channels], fill);
  const cut =
    keptRows === rows && keptColumns === columns
      ? x
      : tf.slice(x, [0, y, z, 0], [samples, keptRows, keptColumns, channels]);
  const [above, before] = [Math.max(0, top), Math.max(0, left)];
  return padPictures(cut, [above, height - above - keptRows, before, width - before - keptColumns], fill);
}

/** [N, H, W, C] with `fill` around it. */
export function padPictures(x: tf.Tensor, padding: Sides, fill = 0): tf.Tensor {
  const [top, bottom, left, right] = padding;
  if (padding.every((cells) => cells === 0)) return x;
  return tf.pad(
    x,
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    fill,
  );
}

/** Pictures of this size without the cells that `padPictures` added. */
export function cropPictures(x: tf.Tensor, [top, , left]: Sides, size: readonly [number, number]): tf.Tensor {
  return shifted(x, [-top, -left], size);
}

/** All (u, v) with u < rows and v < columns, in row-major order. */
function grid(rows: number, columns: number): [number, number][] {
  return Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
