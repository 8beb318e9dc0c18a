import { loadAddon } from '../../../src/engine/backend/native/addon.js';
import type { Input, KernelCase } from './case.js';

/** Where a backend is known to differ from the reference. Every other difference fails. */
export interface Deviation {
  readonly kernels: readonly string[];
  readonly reason: string;
  /**
   * - absent: the backend has no such kernel; tested
   * - wrong: it is wrong for most inputs; tested, and that the engine's training does not use it
   * - a function: the cases that are left out
   * - a number: the absolute error accepted beyond the tolerance
   */
  readonly of: 'absent' | 'wrong' | number | ((call: KernelCase) => boolean);
}

const some = (test: (value: number) => boolean) => (call: KernelCase) =>
  named(call).some(([, { values }]) => values.some(test));
const withNaN = some(Number.isNaN);
const notFinite = some((value) => !Number.isFinite(value));
const padded = ({ attrs = {} }: KernelCase): boolean => attrs['pad'] !== 'valid';
const reducesNothing = ({ inputs, attrs = {} }: KernelCase): boolean => {
  const axes = (attrs['axis'] ?? []) as number[];
  return axes.some((axis) => (inputs as { x: Input }).x.shape[axis] === 0);
};

/** One axis of 1 in front, beside one of some matrices, works everywhere. */
const broadcastProducts: Deviation = {
  kernels: ['BatchMatMul'],
  reason: 'takes the wrong matrices when one of several batch axes is broadcast, and makes numbers of a batch of none',
  of: (call) => {
    const [a, b] = named(call).map(([, { shape }]) => shape.slice(0, -2));
    return a!.join() !== b!.join() && (a!.length > 1 || a![0] === 0 || b![0] === 0);
  },
};

export const deviations: Readonly<Record<string, readonly Deviation[]>> = {
  // What the references of the table are for.
  cpu: [
    broadcastProducts,
    { kernels: ['AvgPoolGrad'], reason: 'divides by the whole window at padded edges, unlike AvgPool', of: padded },
    { kernels: ['Elu', 'Selu'], reason: 'computes exp(x) - 1', of: 1e-15 },
    { kernels: ['All'], reason: 'all of no elements is false', of: reducesNothing },
  ],
  wasm: [
    broadcastProducts,
    {
      kernels: ['BatchMatMul'],
      reason: 'sums of no terms are whatever memory held',
      of: (call) => named(call)[0]![1].shape.at(call.attrs?.['transposeA'] ? -2 : -1) === 0,
    },
    {
      kernels: ['Conv2D', 'FusedConv2D'],
      reason: 'is zero with `same` where a window is smaller than its stride',
      of: ({ inputs, attrs = {} }) => {
        const { filter } = inputs as { filter: Input };
        return (
          attrs['pad'] === 'same' && (attrs['strides'] as number[]).some((step, axis) => filter.shape[axis]! < step)
        );
      },
    },
    { kernels: ['Conv2DBackpropFilter', 'Einsum', 'UnsortedSegmentSum'], reason: 'not in the package', of: 'absent' },
    { kernels: ['MaxPoolGrad', 'MaxPoolWithArgmax'], reason: 'takes no maximum below 1.2e-38', of: 'wrong' },
    { kernels: ['AvgPoolGrad'], reason: 'divides by the whole window at padded edges, unlike AvgPool', of: padded },
    { kernels: ['AvgPool'], reason: 'an infinity spoils the windows beside it', of: notFinite },
    { kernels: ['Relu6', 'ClipByValue', 'Maximum', 'Minimum', 'Max', 'Min'], reason: 'loses NaN', of: withNaN },
    { kernels: ['_FusedMatMul'], reason: 'prepares b once for each buffer, loses NaN in relu', of: 'wrong' },
    {
      kernels: ['FusedConv2D'],
      reason: 'refuses a bias that is a scalar or a view, has no elu, loses NaN in its activations',
      of: (call) => {
        const { bias } = call.inputs as { bias?: Input };
        return (
          bias?.shape.length === 0 || bias?.view === 'reshaped' || call.attrs?.['activation'] === 'elu' || withNaN(call)
        );
      },
    },
    {
      kernels: ['Prelu'],
      reason: 'multiplies by alpha everywhere, so that an infinite or NaN alpha shows where x is positive',
      of: notFinite,
    },
    {
      kernels: ['Log1p', 'Sin', 'Cos', 'Selu'],
      reason: 'computed in float32 without care for small results',
      of: 1e-6,
    },
    {
      kernels: ['Sign'],
      reason: 'the sign of numbers below 1e-7 is 0',
      of: some((value) => value !== 0 && Math.abs(value) < 1e-6),
    },
    { kernels: ['Sum', 'Prod', 'All', 'Any'], reason: 'reads past the end of an empty axis', of: reducesNothing },
    {
      kernels: ['StridedSlice'],
      reason: 'every result is float32',
      of: (call) => named(call)[0]![1].dtype !== 'float32',
    },
    { kernels: ['GatherV2'], reason: 'ignores batchDims', of: ({ attrs = {} }) => attrs['batchDims'] !== 0 },
    {
      kernels: ['Reverse'],
      reason: 'reads booleans as floats',
      of: ({ inputs }) => (inputs as { x: Input }).x.dtype === 'bool',
    },
    {
      kernels: ['Cast'],
      reason: 'copies the low byte into a boolean',
      of: (call) => call.attrs?.['dtype'] === 'bool' && named(call)[0]![1].dtype !== 'bool',
    },
    {
      kernels: ['OneHot'],
      reason: 'writes integers, and past the row for an index outside of 0 .. depth - 1',
      of: (call) =>
        call.attrs?.['dtype'] !== 'int32' || some((value) => value < 0 || value >= Number(call.attrs?.['depth']))(call),
    },
  ],
  native: [
    ...(nativeIsa() !== 'base'
      ? []
      : [
          {
            kernels: [
              ...['HbpChosenPlaces', 'HbpConvolveChosen', 'HbpConvolveTransposedChosen', 'HbpCorrelateChosen'],
              'HbpGradientRows',
            ],
            reason: 'faster than the composition with vectors of eight numbers or more',
            of: 'absent' as const,
          },
        ]),
  ],
  // From a few cases on a software adapter, and not all yet: what else fails there is still to be looked into.
  webgpu: [
    {
      kernels: ['Conv2D', 'FusedConv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'MaxPool', 'divNoNan'],
      reason: 'takes denormal numbers for 0',
      of: some((value) => value !== 0 && Math.abs(value) < 1.2e-38),
    },
    {
      kernels: ['MaxPoolGrad'],
      reason: 'takes the last of equal maxima',
      of: (call) => (call.inputs as { input: Input }).input.values.every(Number.isInteger),
    },
    { kernels: ['AvgPoolGrad'], reason: 'divides by the whole window at padded edges, unlike AvgPool', of: padded },
    { kernels: ['Log'], reason: 'log 0 is -88', of: some((value) => value === 0 || Math.abs(value) < 1.2e-38) },
    { kernels: ['Log1p'], reason: 'loses NaN', of: some((value) => value <= -1) },
    { kernels: ['Log1p', 'Softplus'], reason: 'computed in float32 without care for small results', of: 1e-6 },
    { kernels: ['Sin', 'Cos'], reason: 'Vulkan promises 2^-11', of: 2 ** -11 },
    { kernels: ['All', 'Any'], reason: 'skips elements', of: 'wrong' },
    {
      kernels: ['ArgMax', 'ArgMin'],
      reason: 'the result of a vector is no scalar',
      of: ({ inputs }) => (inputs as { x: Input }).x.shape.length === 1,
    },
    {
      kernels: ['UnsortedSegmentSum'],
      reason: 'adds rows of no segment to some segment',
      of: ({ inputs, attrs = {} }) => {
        const ids = (inputs as { segmentIds: Input }).segmentIds.values;
        return ids.some((id) => id < 0 || id >= Number(attrs['numSegments']));
      },
    },
    { kernels: ['Cast'], reason: 'moves integers as floats', of: some((value) => Math.abs(value) > 2 ** 24) },
  ],
};

function named({ inputs }: KernelCase): [string, Input][] {
  return Object.entries(inputs);
}

/** The instruction set of the native backend's loops; undefined if it is not built. */
export function nativeIsa(): string | undefined {
  try {
    return loadAddon().isa;
  } catch {
    return undefined;
  }
}
