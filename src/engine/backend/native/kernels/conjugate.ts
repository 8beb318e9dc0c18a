/** The halves of an iteration of conjugate gradients (src/engine/optim/cg-iteration.ts). */
import type { ChainSystem } from '../../../fused.js';
import type * as tf from '../../../tf.js';
import { type KernelTable, type NativeKernel, sizeOf } from './kernel.js';

type Vectors = Partial<Record<'x' | 'r' | 'p' | 'ap' | 'dualR' | 'dualP' | 'metric', tf.TensorInfo>>;

const descend: NativeKernel = ({ inputs, attrs, backend }) => {
  const { r, p, ap, dualP, metric, state } = inputs as Vectors & Record<'r' | 'p' | 'ap' | 'state', tf.TensorInfo>;
  const [nextR, nextState] = [backend.empty(r.shape, 'float32'), backend.empty(state.shape, 'float32')];
  const [systems = 0, n = 0] = r.shape;
  backend.addon.cgDescend(
    backend.floats(r),
    backend.floats(p),
    backend.floats(ap),
    dualP ? backend.floats(dualP) : null,
    metric ? backend.floats(metric) : null,
    backend.floats(state),
    backend.floats(nextR),
    backend.floats(nextState),
    systems,
    n,
    attrs['stopOnNonPositive'] as boolean,
  );
  return [nextR, nextState];
};

const turn: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, r, p, dualR, dualP, metric, state } = inputs as Vectors & Record<'x' | 'r' | 'p' | 'state', tf.TensorInfo>;
  const [nextX, nextP] = [backend.empty(r.shape, 'float32'), backend.empty(r.shape, 'float32')];
  const nextDualP = dualP ? backend.empty(r.shape, 'float32') : null;
  const nextState = backend.empty(state.shape, 'float32');
  const [systems = 0, n = 0] = r.shape;
  backend.addon.cgTurn(
    backend.floats(x),
    backend.floats(r),
    backend.floats(p),
    dualR ? backend.floats(dualR) : null,
    dualP ? backend.floats(dualP) : null,
    metric ? backend.floats(metric) : null,
    backend.floats(state),
    backend.floats(nextX),
    backend.floats(nextP),
    nextDualP && backend.floats(nextDualP),
    backend.floats(nextState),
    systems,
    n,
    attrs['limit'] as number,
  );
  return [nextX, nextP, nextState, ...(nextDualP ? [nextDualP] : [])];
};

interface ChainAttributes {
  readonly stages: readonly ('matrix' | 'diagonal')[];
  readonly systems: readonly (Pick<ChainSystem, 'at' | 'blocks' | 'alpha' | 'limit'> & {
    /** Null: a tensor. */
    readonly scale: number | null;
  })[];
  readonly stopOnNonPositive: boolean;
}

/** Inputs by names with numbers: stage0, residual0, ..; x0, r0, state0, metric0, scale0, .. */
const chainCg: NativeKernel = ({ inputs, attrs, backend }) => {
  const { stages, systems, stopOnNonPositive } = attrs as unknown as ChainAttributes;
  const given = (name: string): Float32Array | null => (inputs[name] ? backend.floats(inputs[name]) : null);
  const head = inputs['head']!;
  const copied = (name: string): tf.TensorInfo => {
    const copy = backend.empty(inputs[name]!.shape, 'float32');
    backend.floats(copy).set(given(name)!);
    return copy;
  };
  const results = systems.map((_, i) => [copied(`x${i}`), copied(`r${i}`), copied(`state${i}`)] as const);
  // The kernel wants them by the stage where they enter.
  const order = systems.map((_, i) => i).sort((i, j) => systems[i]!.at - systems[j]!.at);
  backend.addon.chainCg(
    stages.map((_, l) => given(`stage${l}`)!),
    stages.map((_, l) => given(`residual${l}`)),
    Int32Array.from(
      stages.flatMap((kind, l) => {
        const { shape } = inputs[`stage${l}`]!;
        return kind === 'matrix' ? [shape[0]!, shape[1]!, 0] : [sizeOf(shape), sizeOf(shape), 1];
      }),
    ),
    backend.floats(head),
    head.shape[0]!,
    order.map((i) => given(`metric${i}`)),
    order.map((i) => backend.floats(results[i]![0])),
    order.map((i) => backend.floats(results[i]![1])),
    order.map((i) => backend.floats(results[i]![2])),
    Int32Array.from(
      order.flatMap((i) => {
        const { at, blocks } = systems[i]!;
        return [at, blocks.count, blocks.size, inputs[`x${i}`]!.shape[1]! - blocks.size];
      }),
    ),
    Float32Array.from(
      order.flatMap((i) => {
        const { alpha, scale, limit } = systems[i]!;
        return [alpha, scale ?? given(`scale${i}`)![0]!, limit];
      }),
    ),
    stopOnNonPositive,
  );
  return results.flat();
};

export const conjugate: KernelTable = {
  HbpChainCg: chainCg,
  HbpCgDescend: descend,
  HbpCgTurn: turn,
};
