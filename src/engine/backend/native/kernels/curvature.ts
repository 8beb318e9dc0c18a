/** Kernels behind src/engine/fused-curvature.ts: what curvature products and their solvers spend their time on. */
import type * as tf from '../../../tf.js';
import { type KernelTable, type NativeKernel, ordinal, sizeOf } from './kernel.js';

const projectRows: NativeKernel = ({ inputs, backend }) => {
  const { matrix, direction } = inputs as Record<'matrix' | 'direction', tf.TensorInfo>;
  const [rows = 0, columns = 0] = matrix.shape;
  const [along, residual] = [backend.empty([rows], 'float32'), backend.empty([rows], 'float32')];
  backend.addon.projectRows(
    backend.floats(matrix),
    backend.floats(direction),
    backend.floats(along),
    backend.floats(residual),
    rows,
    columns,
  );
  return [along, residual];
};

const addRows: NativeKernel = ({ inputs, backend }) => {
  const { value, matrix, direction, factors, steps } = inputs as Record<
    'value' | 'matrix' | 'direction' | 'factors' | 'steps',
    tf.TensorInfo
  >;
  const [rows = 0, columns = 0] = matrix.shape;
  const next = backend.empty(value.shape, 'float32');
  backend.addon.addRows(
    backend.floats(value),
    backend.floats(matrix),
    backend.floats(direction),
    backend.floats(factors),
    backend.floats(steps),
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

export const curvature: KernelTable = {
  HbpProjectRows: projectRows,
  HbpAddRows: addRows,
  HbpDerivativeMeans: derivativeMeans,
  HbpCurveLink: curveLink,
};
