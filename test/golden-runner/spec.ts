import type { LayerSpec } from '../support/golden.js';
import type { Comparison } from './comparison.js';

/** Keys that describe a layer of each type; those with a list have to have one of these values. */
const known: Record<string, Record<string, readonly unknown[] | null>> = {
  Linear: { in_features: null, out_features: null, bias: null },
  Conv2d: {
    ...{ in_channels: null, out_channels: null, kernel_size: null, stride: null, padding: null, dilation: null },
    ...{ groups: null, bias: null, padding_mode: ['zeros'] },
  },
  MaxPool2d: {
    ...{ kernel_size: null, stride: null, padding: null, dilation: null },
    ...{ ceil_mode: [false], return_indices: [false] },
  },
  ZeroPad2d: { padding: null, padding_order: ['left,right,top,bottom'] },
  Sequential: { layers: null },
  Flatten: { start_dim: [1], end_dim: [-1] },
  Sigmoid: {},
  Tanh: {},
  ReLU: { inplace: null },
};

/** Fail for every layer, or setting of one, that the tests would not build as the file means it. */
export function checkLayers(layers: readonly LayerSpec[], comparison: Comparison): void {
  for (const spec of layers) {
    const settings = known[spec.type];
    if (!settings) throw new Error(`no layer for ${spec.type}`);
    comparison.onlyKeys(spec.type, spec, ['type', ...Object.keys(settings)]);
    for (const [key, values] of Object.entries(settings)) {
      const value = (spec as unknown as Record<string, unknown>)[key];
      if (values && value !== undefined && !values.includes(value)) {
        throw new Error(`${spec.type} with ${key} ${JSON.stringify(value)} is not supported`);
      }
    }
    if (spec.type === 'Sequential') checkLayers(spec.layers, comparison);
  }
}
