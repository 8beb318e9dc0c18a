/** Kernels behind src/engine/fused-curvature.ts: what curvature products and their solvers spend their time on. */
import type { ChosenPlacements } from '../../../fused-curvature.js';
import type { Placement } from '../../../nn/window.js';
import type * as tf from '../../../tf.js';
import type { NativeBackend } from '../backend.js';
import { placementLength, putConvolution, putPlacement, shapes } from '../shapes.js';
import { type KernelTable, type NativeKernel, ordinal, sizeOf } from './kernel.js';

interface BlockSizes {
  readonly count: number;
  readonly size: number;
}

/** Numbers of a row or a column are few: loops in JavaScript are shorter than calls. */
const meanCoordinates: NativeKernel = ({ inputs, attrs, backend }) => {
  const { matrix, mean } = inputs as Record<'matrix' | 'mean', tf.TensorInfo>;
  const { count, size, factor } = attrs as unknown as BlockSizes & { factor: number };
  const [rows = 0, columns = 0] = matrix.shape;
  const along = backend.empty([rows], 'float32');
  const [rhs, metric] = [backend.empty([count, 1 + size], 'float32'), backend.empty([count, 1 + size], 'float32')];
  const [direction, square] = [backend.empty([columns], 'float32'), backend.empty([], 'float32')];
  const [m, d, g] = [backend.floats(mean), backend.floats(direction), backend.floats(along)];
  let total = 0;
  for (let i = 0; i < columns; i++) total += m[i]! * m[i]!;
  backend.floats(square)[0] = total;
  const norm = Math.sqrt(total);
  for (let i = 0; i < columns; i++) d[i] = norm === 0 ? 0 : m[i]! / norm;
  const residual = new Float32Array(rows);
  backend.addon.projectRows(backend.floats(matrix), d, g, residual, rows, columns);
  const [b, weights] = [backend.floats(rhs).fill(0), backend.floats(metric).fill(1)];
  for (let j = 0; j < count; j++) {
    let rest = 0;
    for (let o = j * size; o < Math.min((j + 1) * size, rows); o++) {
      g[o] = factor * g[o]!;
      b[j + 1 + o] = g[o]!;
      rest += residual[o]!;
    }
    b[j * (1 + size)] = 1;
    weights[j * (1 + size)] = factor * factor * rest;
  }
  return [along, rhs, metric, direction, square];
};

const addMeanCoordinates: NativeKernel = ({ inputs, attrs, backend }) => {
  const { value, matrix, direction, along, x } = inputs as Record<
    'value' | 'matrix' | 'direction' | 'along' | 'x',
    tf.TensorInfo
  >;
  const { size, factor, length } = attrs as { size: number; factor: number; length: number };
  const [rows = 0, columns = 0] = matrix.shape;
  const next = backend.empty(value.shape, 'float32');
  const [g, coordinates] = [backend.floats(along), backend.floats(x)];
  const [factors, steps] = [new Float32Array(rows), new Float32Array(rows)];
  for (let o = 0, j = 0; o < rows; o++) {
    if (o === (j + 1) * size) j++;
    const xi = length * coordinates[j * (1 + size)]!;
    factors[o] = factor * xi;
    steps[o] = length * coordinates[j + 1 + o]! - xi * g[o]!;
  }
  backend.addon.addRows(
    backend.floats(value),
    backend.floats(matrix),
    backend.floats(direction),
    factors,
    steps,
    backend.floats(next),
    rows,
    columns,
  );
  return next;
};

const derivativeMeans: NativeKernel = ({ inputs, attrs, backend }) => {
  const { output, gradient } = inputs as Record<'output' | 'gradient', tf.TensorInfo>;
  const [samples = 0, n = 0] = output.shape;
  const [mean, sum] = [backend.empty([n], 'float32'), backend.empty([n], 'float32')];
  backend.addon.derivativeMeans(
    ordinal(backend.addon.names.activation, attrs['activation'] as string),
    backend.floats(output),
    backend.floats(gradient),
    backend.floats(mean),
    backend.floats(sum),
    samples,
    n,
  );
  return [mean, sum];
};

const curveLink: NativeKernel = ({ inputs, attrs, backend }) => {
  const { output, u, residual, t } = inputs as Record<'output' | 'u' | 'residual' | 't', tf.TensorInfo>;
  const product = backend.empty(u.shape, 'float32');
  const n = sizeOf(output.shape);
  if (n === 0) return product;
  backend.addon.curveLink(
    ordinal(backend.addon.names.activation, attrs['activation'] as string),
    backend.floats(output),
    backend.floats(u),
    backend.floats(residual),
    backend.floats(t),
    backend.floats(product),
    n,
    sizeOf(u.shape) / n,
  );
  return product;
};

/** Tell the addon of a convolution of pictures with so many channels, and of the windows on its results. */
function putChosen(
  n: number,
  channels: number,
  outputs: number,
  { convolution: { kernel, padding, ...convolution }, pooling }: ChosenPlacements,
): void {
  putPlacement(n, outputs, pooling);
  shapes.set([...convolution.input, channels, ...kernel, padding[0], padding[2]], placementLength);
}

/** The places of what pooling chose, [N, ...] for the addon alone; see native/src/loops/places.h. */
const chosenPlaces: NativeKernel = ({ inputs, attrs, backend }) => {
  const { chosen } = inputs as Record<'chosen', tf.TensorInfo>;
  const { shape } = chosen;
  // Places come in bands of windows, whose height depends on how large a row of the picture is: on its channels.
  putChosen(shape[0]!, attrs['channels'] as number, shape[3]!, attrs as unknown as ChosenPlacements);
  const places = backend.empty([shape[0]!, backend.addon.placesSize()], 'int32');
  backend.addon.findPlaces(backend.floats(chosen), backend.ints(places));
  return places;
};

/** f(places): those of a kernel's inputs, or found for this time only. */
function withPlaces(
  { inputs, attrs, backend }: Parameters<NativeKernel>[0],
  channels: number,
  f: (places: Int32Array) => void,
): void {
  const { chosen, places } = inputs as { chosen: tf.TensorInfo; places?: tf.TensorInfo };
  const found =
    places ?? (chosenPlaces({ inputs: { chosen }, attrs: { ...attrs, channels }, backend }) as tf.TensorInfo);
  putChosen(chosen.shape[0]!, channels, chosen.shape[3]!, attrs as unknown as ChosenPlacements);
  f(backend.ints(found));
  if (!places) backend.disposeData(found.dataId);
}

/** The activation that a convolution's input comes from, if one is told: its output and its number. */
function before({
  inputs,
  attrs,
  backend,
}: Parameters<NativeKernel>[0]): readonly [output: Float32Array | null, activation: number] {
  const { before: output } = inputs as { before?: tf.TensorInfo };
  const { activation } = backend.addon.names;
  return output ? [backend.floats(output), ordinal(activation, attrs['activation'] as string)] : [null, 0];
}

/** x [V?, N, H, W, C], none for ones, and a weight [V?, kh, kw, C, O], of which one has vectors at most. */
const convolveChosen: NativeKernel = (call) => {
  const { backend } = call;
  const { x, weight, chosen } = call.inputs as Record<'weight' | 'chosen', tf.TensorInfo> & { x?: tf.TensorInfo };
  const vectors = x?.shape.slice(0, -4) ?? [];
  const y = backend.empty([...vectors, ...weight.shape.slice(0, -4), ...chosen.shape], 'float32');
  if (sizeOf(y.shape) === 0) return y;
  const [input, w, result] = [x ? backend.floats(x) : null, backend.floats(weight), backend.floats(y)];
  withPlaces(call, weight.shape.at(-2)!, (places) => {
    backend.addon.convolveChosen(input, w, places, result, sizeOf(vectors), vectorsOf(weight), ...before(call));
  });
  return y;
};

/** dx, and its sums over cells [V?, N, C] if `sums` asks for them. */
const convolveTransposedChosen: NativeKernel = (call) => {
  const { backend, attrs } = call;
  const { dy, weight } = call.inputs as Record<'dy' | 'weight', tf.TensorInfo>;
  const { convolution } = attrs as unknown as ChosenPlacements;
  const channels = weight.shape[2]!;
  const vectors = dy.shape.slice(0, -3);
  const dx = backend.empty([...vectors, ...convolution.input, channels], 'float32');
  const sums = attrs['sums'] ? backend.empty([...vectors, channels], 'float32') : null;
  const results = sums ? [dx, sums] : dx;
  if (sizeOf(dx.shape) === 0) {
    if (sums) backend.floats(sums).fill(0);
    return results;
  }
  const [gradient, w, result] = [backend.floats(dy), backend.floats(weight), backend.floats(dx)];
  const total = sums && backend.floats(sums);
  withPlaces(call, channels, (places) => {
    backend.addon.convolveTransposedChosen(gradient, w, places, result, total, vectorsOf(dy), ...before(call));
  });
  return results;
};

/** x [N, H, W, C], or none for ones. */
const correlateChosen: NativeKernel = (call) => {
  const { backend } = call;
  const {
    x,
    dy,
    before: output,
  } = call.inputs as { dy: tf.TensorInfo } & Partial<Record<'x' | 'before', tf.TensorInfo>>;
  const { convolution } = call.attrs as unknown as ChosenPlacements;
  const channels = (x ?? output)!.shape[3]!;
  const dw = backend.empty([...dy.shape.slice(0, -4), ...convolution.kernel, channels, dy.shape.at(-1)!], 'float32');
  if (sizeOf(dw.shape) === 0) return dw;
  const [input, gradient, result] = [x ? backend.floats(x) : null, backend.floats(dy), backend.floats(dw)];
  withPlaces(call, channels, (places) => {
    backend.addon.correlateChosen(input, gradient, places, result, vectorsOf(dy), false, ...before(call));
  });
  return dw;
};

/** Without `chosen`, dy is at all positions: windows of one cell. */
const gradientRows: NativeKernel = (call) => {
  const { inputs, attrs, backend } = call;
  const { x, dy, chosen } = inputs as Record<'x' | 'dy', tf.TensorInfo> & { chosen?: tf.TensorInfo };
  const { convolution } = attrs as unknown as ChosenPlacements;
  const { kernel, output } = convolution;
  const [samples = 0, , , channels = 0] = x.shape;
  const outputs = dy.shape.at(-1)!;
  const rows = backend.empty([vectorsOf(dy) * samples, sizeOf(kernel) * channels * outputs], 'float32');
  if (sizeOf(rows.shape) === 0) return rows;
  const [input, gradient, result] = [backend.floats(x), backend.floats(dy), backend.floats(rows)];
  const correlate = (places: Int32Array | null): void =>
    backend.addon.correlateChosen(input, gradient, places, result, vectorsOf(dy), true, null, 0);
  if (chosen) {
    withPlaces(call, channels, correlate);
    return rows;
  }
  const ones = [1, 1] as const;
  const window = { kernel: ones, stride: ones, dilation: ones, padding: [0, 0, 0, 0] } as const;
  putChosen(samples, channels, outputs, { convolution, pooling: { ...window, input: output, output } });
  correlate(null);
  return rows;
};

const rowsProduct: NativeKernel = ({ inputs, backend }) => {
  const { rows, v } = inputs as Record<'rows' | 'v', tf.TensorInfo>;
  const [length = 0, columns = 0] = rows.shape;
  const product = backend.empty(v.shape, 'float32');
  const [matrix, vectors, result] = [backend.floats(rows), backend.floats(v), backend.floats(product)];
  backend.addon.rowsProduct(matrix, vectors, result, length, columns, v.shape[0]!);
  return product;
};

/** The number of vectors in front of four axes. */
function vectorsOf({ shape }: tf.TensorInfo): number {
  return sizeOf(shape.slice(0, -4));
}

const factorProduct: NativeKernel = ({ inputs, backend }) => {
  const { factor, tangents } = inputs as Record<'factor' | 'tangents', tf.TensorInfo>;
  const to = backend.empty(tangents.shape, 'float32');
  const [rank = 0, samples = 0, ...sample] = factor.shape;
  const features = sizeOf(sample);
  const [vectors = 0] = tangents.shape;
  const [v, t, result] = [backend.floats(factor), backend.floats(tangents), backend.floats(to)];
  backend.addon.factorProduct(v, t, result, rank, vectors, samples, features);
  return to;
};

/** Tangents t0, t1, ... [V?, N, H, W, C], one at least, and those at the factor, h0, h1, ... [V?, N, oH, oW, O]; results in this order. */
const convolvedFactorProduct: NativeKernel = (call) => {
  const { backend, attrs, inputs } = call;
  const { factor, weight } = inputs as Record<'factor' | 'weight', tf.TensorInfo>;
  const named = (letter: string): tf.TensorInfo[] =>
    Object.entries(inputs).flatMap(([name, t]) => (name[0] === letter && /^\d+$/.test(name.slice(1)) ? [t] : []));
  const lists = [named('t'), named('h')].map((tangents) => ({
    tangents,
    results: tangents.map(({ shape }) => backend.empty(shape, 'float32')),
  }));
  const [there, here] = lists.map(
    ({ tangents, results }) => [apart(backend, tangents), apart(backend, results)] as const,
  );
  const [rank = 0, samples = 0] = factor.shape;
  const [w, v] = [backend.floats(weight), backend.floats(factor)];
  putConvolution(samples, weight.shape[2]!, weight.shape[3]!, attrs['placement'] as Placement);
  backend.addon.convolvedFactorProduct(...there!, ...here!, w, v, rank, ...before(call));
  return lists.flatMap(({ results }) => results);
};

/** The vectors of tensors [V?, N, H, W, C], each by itself. */
function apart(backend: NativeBackend, tensors: readonly tf.TensorInfo[]): Float32Array[] {
  return tensors.flatMap((x) => {
    const [floats, size] = [backend.floats(x), sizeOf(x.shape.slice(-4))];
    return Array.from({ length: vectorsOf(x) }, (_, v) => floats.subarray(v * size, (v + 1) * size));
  });
}

/** @param isa  the instruction set of the addon's loops: some kernels are not for plain processors */
export function curvatureKernels(isa: string): KernelTable {
  return {
    HbpMeanCoordinates: meanCoordinates,
    HbpAddMeanCoordinates: addMeanCoordinates,
    HbpRowsProduct: rowsProduct,
    HbpFactorProduct: factorProduct,
    HbpConvolvedFactorProduct: convolvedFactorProduct,
    HbpDerivativeMeans: derivativeMeans,
    HbpCurveLink: curveLink,
    ...(isa !== 'base' && {
      HbpChosenPlaces: chosenPlaces,
      HbpConvolveChosen: convolveChosen,
      HbpConvolveTransposedChosen: convolveTransposedChosen,
      HbpCorrelateChosen: correlateChosen,
      HbpGradientRows: gradientRows,
    }),
  };
}
