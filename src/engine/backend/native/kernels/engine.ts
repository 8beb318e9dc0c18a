/** Kernels that the engine asks for by names of its own (src/engine/fused.ts): several of its operations in one pass. */
import type * as tf from '../../../tf.js';
import type { Placement } from '../../../nn/window.js';
import { putConvolution, putPlacement } from '../shapes.js';
import { areFloats, type KernelTable, type NativeKernel, ordinal, sizeOf, using } from './kernel.js';
import { transposed } from './movement.js';

const maxPool: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const placement = attrs as unknown as Placement;
  const [n = 0, , , channels = 0] = x.shape;
  const shape = [n, ...placement.output, channels];
  const [y, chosen] = [backend.empty(shape, 'float32'), backend.empty(shape, 'float32')];
  putPlacement(n, channels, placement);
  if (x.shape.every((length) => length > 0)) {
    backend.addon.maxPool(backend.floats(x), backend.floats(y), backend.floats(chosen));
  }
  return [y, chosen];
};

const pickCells: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, chosen } = inputs as { x: tf.TensorInfo; chosen: tf.TensorInfo };
  const placement = attrs as unknown as Placement;
  const [n = 0, , , channels = 0] = chosen.shape;
  const y = backend.empty([x.shape[0]!, ...placement.output, channels], 'float32');
  putPlacement(n, channels, placement);
  backend.addon.pickCells(backend.floats(x), backend.floats(chosen), backend.floats(y), x.shape[0]! / n);
  return y;
};

const spreadCells: NativeKernel = ({ inputs, attrs, backend }) => {
  const { dy, chosen } = inputs as { dy: tf.TensorInfo; chosen: tf.TensorInfo };
  const placement = attrs as unknown as Placement;
  const [n = 0, , , channels = 0] = chosen.shape;
  const dx = backend.empty([dy.shape[0]!, ...placement.input, channels], 'float32');
  putPlacement(n, channels, placement);
  backend.addon.spreadCells(backend.floats(dy), backend.floats(chosen), backend.floats(dx), dy.shape[0]! / n);
  return dx;
};

const convolveActivated: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, weight, bias } = inputs as { x: tf.TensorInfo; weight: tf.TensorInfo; bias?: tf.TensorInfo };
  const { activation, placement } = attrs as unknown as { activation: string; placement: Placement };
  const { addon } = backend;
  const [n = 0, , , channels = 0] = x.shape;
  const outputs = weight.shape[3]!;
  const y = backend.empty([n, ...placement.output, outputs], 'float32');
  putConvolution(n, channels, outputs, placement);
  const [pictures, w, result] = [backend.floats(x), backend.floats(weight), backend.floats(y)];
  addon.convolveActivated(
    pictures,
    w,
    bias ? backend.floats(bias) : null,
    result,
    ordinal(addon.names.activation, activation),
  );
  return y;
};

/** phi' v, and with `sums` its sums over all axes but the first of `output` and the last, too. */
const timesDerivative: NativeKernel = ({ inputs, attrs, backend }) => {
  const { output, v } = inputs as { output: tf.TensorInfo; v: tf.TensorInfo };
  const { activation, sums: isSummed } = attrs as { activation: string; sums?: boolean };
  const { addon } = backend;
  const product = backend.empty(v.shape, 'float32');
  const size = sizeOf(output.shape);
  const vectors = v.shape.slice(0, v.shape.length - output.shape.length);
  const [n = 0, channels = 0] = [output.shape[0], output.shape.at(-1)];
  const sums = isSummed ? backend.empty([...vectors, n, channels], 'float32') : null;
  const op = ordinal(addon.names.activation, activation);
  const [y, dy, dx] = [backend.floats(output), backend.floats(v), backend.floats(product)];
  if (sums) {
    const positions = sizeOf(output.shape.slice(1, -1));
    addon.timesDerivativeWithSums(op, y, dy, dx, backend.floats(sums), n, positions, channels, sizeOf(vectors));
    return [product, sums];
  }
  if (size > 0) addon.timesDerivative(op, y, dy, dx, size, sizeOf(v.shape) / size);
  return product;
};

const sgd: NativeKernel = ({ inputs, attrs, backend }) => {
  const { value, gradient, buffer } = inputs as {
    value: tf.TensorInfo;
    gradient: tf.TensorInfo;
    buffer?: tf.TensorInfo;
  };
  const { lr, momentum, weightDecay } = attrs as Record<'lr' | 'momentum' | 'weightDecay', number>;
  const next = backend.empty(value.shape, 'float32');
  const nextBuffer = momentum === 0 ? null : backend.empty(value.shape, 'float32');
  backend.addon.sgd(
    backend.floats(value),
    backend.floats(gradient),
    buffer && momentum !== 0 ? backend.floats(buffer) : null,
    backend.floats(next),
    nextBuffer && backend.floats(nextBuffer),
    sizeOf(value.shape),
    lr,
    momentum,
    weightDecay,
  );
  return nextBuffer ? [next, nextBuffer] : [next];
};

const adam: NativeKernel = ({ inputs, attrs, backend }) => {
  const { value, gradient, first, second } = inputs as Record<'value' | 'gradient', tf.TensorInfo> &
    Partial<Record<'first' | 'second', tf.TensorInfo>>;
  const { lr, w1, w2, eps, weightDecay } = attrs as Record<'lr' | 'w1' | 'w2' | 'eps' | 'weightDecay', number>;
  const [next, nextFirst, nextSecond] = [0, 1, 2].map(() => backend.empty(value.shape, 'float32')) as [
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
  ];
  backend.addon.adam(
    backend.floats(value),
    backend.floats(gradient),
    first ? backend.floats(first) : null,
    second ? backend.floats(second) : null,
    backend.floats(next),
    backend.floats(nextFirst),
    backend.floats(nextSecond),
    sizeOf(value.shape),
    lr,
    w1,
    w2,
    eps,
    weightDecay,
  );
  return [next, nextFirst, nextSecond];
};

/** x [n, k], with a further column of ones or without, to x^T x; or, `ofRows`, to x x^T. */
const gram: NativeKernel = (call) => {
  const { inputs, attrs, backend } = call;
  const { x } = inputs as { x: tf.TensorInfo };
  const { ones, ofRows } = attrs as { ones: boolean; ofRows: boolean };
  if (!areFloats(x)) return null;
  const [n = 0, k = 0] = x.shape;
  if (ofRows) {
    const product = backend.empty([n, n], 'float32');
    if (n === 0 || backend.addon.gramOfRows(backend.floats(x), backend.floats(product), n, k)) return product;
    backend.disposeData(product.dataId);
    return using(backend, transposed(backend, x, [1, 0])!, (columns) =>
      gram({ ...call, inputs: { x: columns }, attrs: { ones: false, ofRows: false } }),
    );
  }
  const side = ones ? k + 1 : k;
  const product = backend.empty([side, side], 'float32');
  if (side > 0) backend.addon.gram(backend.floats(x), backend.floats(product), n, k, ones);
  return product;
};

/** Pictures x to the products of pixels up to `rows` and `columns` apart, [2 rows + 1, 2 columns + 1, c', c]. */
const shiftProducts: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { rows, columns } = attrs as Record<'rows' | 'columns', number>;
  if (!areFloats(x)) return null;
  const [n, height, width, channels] = x.shape as [number, number, number, number];
  const y = backend.empty([2 * rows + 1, 2 * columns + 1, channels, channels], 'float32');
  if (channels > 0) {
    backend.addon.shiftProducts(backend.floats(x), backend.floats(y), n, height, width, channels, rows, columns);
  }
  return y;
};

/** The matrix [n, n] to its eigenvalues [n] and its eigenvectors, one a row, [n, n]. */
const symmetricEigen: NativeKernel = ({ inputs, backend }) => {
  const { matrix } = inputs as { matrix: tf.TensorInfo };
  const [n = 0] = matrix.shape;
  if (!areFloats(matrix)) return null;
  const [values, vectors] = [backend.empty([n], 'float32'), backend.empty([n, n], 'float32')];
  backend.floats(vectors).set(backend.floats(matrix));
  const info = n === 0 ? 0 : backend.addon.symmetricEigen(backend.floats(vectors), backend.floats(values), n);
  if (info !== 0) throw new Error(`LAPACK's ssyevd did not converge (info ${info})`);
  return [values, vectors];
};

export function engineKernels(hasLapack: boolean): KernelTable {
  return {
    HbpMaxPool: maxPool,
    HbpPickCells: pickCells,
    HbpSpreadCells: spreadCells,
    HbpConvolveActivated: convolveActivated,
    HbpTimesDerivative: timesDerivative,
    HbpSgd: sgd,
    HbpAdam: adam,
    HbpGram: gram,
    HbpShiftProducts: shiftProducts,
    ...(hasLapack && { HbpSymmetricEigen: symmetricEigen }),
  };
}
