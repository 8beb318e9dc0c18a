import * as tf from '../../../src/engine/tf.js';
import { difference, largest } from './compare.js';
import {
  inputsOf,
  mapInputs,
  typed,
  type DType,
  type Input,
  type Kernel,
  type KernelCase,
  type Numbers,
} from './case.js';
import { cpuKernel } from './cpu.js';

/**
 * Run a case on the current backend and throw if it differs from the reference, leaks, or changes an input.
 *
 * @param slack  an absolute difference that is accepted
 */
export async function check(kernel: Kernel, call: KernelCase, slack = 0): Promise<void> {
  const want = expected(kernel, call);
  const got = await run(kernel, call);
  const complain = (what: string): never => {
    throw new Error(`${what}\n${describe(kernel, call)}`);
  };
  if (got.length !== want.length) complain(`${got.length} results, not ${want.length}`);
  want.forEach((reference, i) => {
    const scale = (): number => Math.max(0, ...expected(kernel, absolute(kernel, call)).map(largest));
    const wrong = difference(got[i]!, reference, kernel.tolerance, scale, slack);
    if (wrong) complain(want.length > 1 ? `result ${i}: ${wrong}` : wrong);
  });
}

/** What the kernel should give: the explicit reference if there is one, else the cpu backend's kernel. */
export function expected(kernel: Kernel, call: KernelCase): Numbers[] {
  return kernel.reference ? kernel.reference(call) : cpuKernel(kernel.name, call);
}

/** The current backend's kernel, called as the engine calls it. */
async function run(kernel: Kernel, call: KernelCase, again = false): Promise<Numbers[]> {
  const before = counts();
  const made = new Map<Input, tf.Tensor>();
  const tensors = mapInputs(call.inputs, (input) => {
    const tensor = made.get(input) ?? create(input);
    made.set(input, tensor);
    return tensor;
  });
  const attrs = { ...call.attrs };
  const result = kernel.op
    ? await kernel.op(tensors as Record<string, tf.Tensor>, attrs)
    : tf
        .engine()
        .runKernel<tf.Tensor | tf.Tensor[]>(kernel.name, tensors as tf.NamedTensorMap, attrs as tf.NamedAttrMap);
  const outputs = [result].flat();
  for (const [input, tensor] of made) {
    const wrong = difference(await read(tensor), input, 'exact', () => 0);
    if (wrong) throw new Error(`an input was changed: ${wrong}\n${describe(kernel, call)}`);
  }
  // A result that is a view must outlive its source, also when the source's memory is given out again at once.
  tf.dispose([...made.values()]);
  const squatters = inputsOf(call).map(({ shape }) => tf.fill([...shape], 12345));
  const got = await Promise.all(outputs.map(read));
  tf.dispose([squatters, outputs]);
  const after = counts();
  if (after.tensors !== before.tensors || after.data !== before.data) {
    // Numbers that an operation keeps on the device from its first use on are no leak; the second time they are there.
    if (kernel.op && !again) return run(kernel, call, true);
    throw new Error(
      `${after.tensors - before.tensors} tensors and ${after.data - before.data} buffers leaked\n${describe(kernel, call)}`,
    );
  }
  return got;
}

function counts(): { tensors: number; data: number } {
  return { tensors: tf.memory().numTensors, data: tf.backend().numDataIds() };
}

function create({ shape, dtype, values, view }: Input): tf.Tensor {
  const size = [...shape];
  switch (view) {
    case 'plain':
      return tf.tensor(values.slice(), size, dtype);
    case 'reshaped':
      return tf.tidy(() => tf.reshape(tf.tensor(values.slice(), [1, values.length], dtype), size));
    case 'sliced':
      return tf.tidy(() => {
        const longer = typed(dtype, new Uint8Array(values.length + 5).fill(1));
        longer.set(values, 3);
        return tf.reshape(tf.slice(tf.tensor(longer, [longer.length], dtype), [3], [values.length]), size);
      });
  }
}

async function read(tensor: tf.Tensor): Promise<Numbers> {
  const dtype = tensor.dtype as DType;
  return { shape: tensor.shape, dtype, values: typed(dtype, await tensor.data()) };
}

/** The case whose result bounds the terms of the sums. */
function absolute(kernel: Kernel, call: KernelCase): KernelCase {
  const inputs = mapInputs(call.inputs, (input) =>
    input.dtype === 'float32' ? { ...input, values: input.values.map(Math.abs) } : input,
  );
  return { inputs, attrs: { ...call.attrs, ...kernel.linear } };
}

/** A case for people: types, shapes, views, attributes and the values of short inputs. */
export function describe(kernel: Kernel, { inputs, attrs = {} }: KernelCase): string {
  const firstNames = new Map<Input, string>();
  const lines = Object.entries(inputs).map(([name, input]: [string, Input]) => {
    const same = firstNames.get(input);
    firstNames.set(input, name);
    if (same) return `  ${name}: the tensor ${same}`;
    const values = [...input.values.slice(0, 24)].map((value) => (Object.is(value, -0) ? '-0' : String(value)));
    const more = input.values.length > 24 ? ', ...' : '';
    return `  ${name}: ${input.dtype} [${input.shape.join()}] ${input.view}: ${values.join(', ')}${more}`;
  });
  return [`${kernel.name} ${JSON.stringify(attrs)}`, ...lines].join('\n');
}
