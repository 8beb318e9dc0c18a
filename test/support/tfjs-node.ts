/**
 * Stand-ins for @tensorflow/tfjs-node(-gpu), whose real libraries cannot be downloaded everywhere. What they do when
 * they are loaded is what tfjs-node 4.22 does, as far as hbp sees it; the kernels are those of the cpu backend.
 */

import { tfjsNodeKernels } from './tfjs-node-kernels.js';

/** How a stand-in behaves. */
export interface Behaviour {
  readonly gpu?: boolean;
  /** Where it finds its tfjs-core. */
  readonly core?: string;
  /** Code before the backend is registered. */
  readonly before?: string;
  /** Code in the backend's constructor. */
  readonly start?: string;
}

export function standIn({ gpu = false, core = '@tensorflow/tfjs-core', before = '', start = '' }: Behaviour): string {
  return `
    const known = new Set(${JSON.stringify(tfjsNodeKernels)});
    const util = require('util');
    const tf = require('${core}');
    const { MathBackendCPU } = require('@tensorflow/tfjs-backend-cpu');
    ${before}
    tf.copyRegisteredKernels('cpu', 'tensorflow');
    for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) {
      if (!known.has(kernelName)) tf.unregisterKernel(kernelName, 'tensorflow');
    }
    // The real ones know no padding but these, and no dilation backwards.
    for (const name of ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'MaxPool', 'AvgPool']) {
      const kernel = tf.getKernel(name, 'tensorflow');
      tf.unregisterKernel(name, 'tensorflow');
      const kernelFunc = (call) => {
        const { pad, dilations = 1 } = call.attrs;
        if (pad !== 'valid' && pad !== 'same') throw new Error('TF Backend supports only valid and same padding');
        if (name.includes('Backprop') && [dilations].flat().some((d) => d !== 1)) throw new Error('no dilation');
        return kernel.kernelFunc(call);
      };
      tf.registerKernel({ ...kernel, kernelFunc });
    }
    class NodeJSKernelBackend extends MathBackendCPU {
      constructor() {
        super();
        // The function that Node 23 took away, as the real one calls it when it creates tensors.
        if (util.isNullOrUndefined(this)) throw new Error('no backend');
        ${start}
        this.isUsingGpuDevice = ${gpu};
        this.binding = { TF_Version: '2.9.1' };
      }
    }
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(), 3);
    tf.setBackend('tensorflow');
  `;
}

/** A native library that is not what it should be: Node's own loader fails on it, as on a missing libtensorflow. */
export const brokenLibrary = `
  const path = require('path').join(__dirname, 'tfjs_binding.node');
  require('fs').writeFileSync(path, 'not a shared library');
  require(path);
`;

/** What tfjs-node says where its install script could not download the addon. */
export const noLibrary = `
  throw new Error('The Node.js native addon module (tfjs_binding.node) can not be found at path: /x/tfjs_binding.node. ' +
    "\\nPlease run command 'npm rebuild @tensorflow/tfjs-node-gpu --build-addon-from-source' to rebuild it.");
`;
