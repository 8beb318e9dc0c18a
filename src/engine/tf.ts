/**
 * The one place where TensorFlow.js enters. The engine calls its functions (`tf.matMul(a, b)`), never its chained ops
 * or its gradients, which tfjs-core does not register in Node.
 */
import * as core from '@tensorflow/tfjs-core';

export * from '@tensorflow/tfjs-core';

/** `tidy` for any result: tensors made in `body` are freed, but for those that were kept or are in the result. */
export function scoped<T>(body: () => T): T {
  return core.tidy(() => body() as core.TensorContainer) as T;
}

/*
 * Operations on two operands, either of which may be a number. TensorFlow.js would upload a new scalar for it every
 * time, which costs a GPU ten times the operation itself; here the scalar is a resident of the device.
 */
export const add = onResidents(core.add);
export const sub = onResidents(core.sub);
export const mul = onResidents(core.mul);
export const div = onResidents(core.div);
export const maximum = onResidents(core.maximum);
export const minimum = onResidents(core.minimum);
export const greater = onResidents(core.greater);
export const equal = onResidents(core.equal);

/** Another tensor on the same buffer. The `clone` of TensorFlow.js copies on some backends. */
export function view(x: core.Tensor): core.Tensor {
  return core.reshape(x, x.shape);
}

/** The identity [n, n], a resident of the device. */
export function identity(n: number): core.Tensor {
  return resident(`identity ${n}`, () => core.eye(n));
}

function onResidents(op: (a: core.Tensor, b: core.Tensor) => core.Tensor) {
  const lift = (x: core.Tensor | number): core.Tensor =>
    typeof x === 'number' ? resident(String(x), () => core.scalar(x)) : x;
  return (a: core.Tensor | number, b: core.Tensor | number): core.Tensor => op(lift(a), lift(b));
}

/** By backend and name; they live as long as the process. */
const residents = new Map<string, core.Tensor>();
/** Numbers that change with every step would pile up; beyond so many, new ones are uploaded each time. */
const mostResidents = 500;

/** A tensor that never changes, made once for each backend and name and kept on the device. */
export function resident(name: string, create: () => core.Tensor): core.Tensor {
  const key = `${core.getBackend()} ${name}`;
  const found = residents.get(key);
  if (found) return found;
  if (residents.size >= mostResidents) return create();
  const created = core.keep(create());
  residents.set(key, created);
  return created;
}
