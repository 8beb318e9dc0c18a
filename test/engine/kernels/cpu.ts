import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu/dist/base.js';
import * as tf from '../../../src/engine/tf.js';
import { mapInputs, typed, type DType, type Input, type KernelCase, type Numbers, type Values } from './case.js';

/** The cpu backend's kernel, called past the engine so that the current backend stays what it is. */
export function cpuKernel(name: string, { inputs, attrs = {} }: KernelCase): Numbers[] {
  const backend = tf.findBackend('cpu') as MathBackendCPU;
  const kernel = tf.getKernel(name, 'cpu');
  if (!kernel) throw new Error(`the cpu backend has no kernel ${name}: give a reference`);
  const made = new Map<Input, tf.TensorInfo>();
  const infos = mapInputs(inputs, (input) => {
    const { shape, dtype, values } = input;
    const info = made.get(input) ?? backend.makeTensorInfo([...shape], dtype, values.slice());
    made.set(input, info);
    return info;
  });
  const result = kernel.kernelFunc({
    inputs: infos as tf.NamedTensorInfoMap,
    backend,
    attrs: attrs as tf.NamedAttrMap,
  });
  const outputs = [result].flat();
  const numbers = outputs.map(({ dataId, shape, dtype }) => {
    const values = backend.readSync(dataId) as unknown as Values;
    return { shape, dtype: dtype as DType, values: typed(dtype as DType, values) };
  });
  for (const { dataId } of [...outputs, ...made.values()]) backend.disposeData(dataId);
  return numbers;
}
