/** The halves of an iteration of conjugate gradients (src/engine/optim/cg-iteration.ts). */
import type * as tf from '../../../tf.js';
import type { KernelTable, NativeKernel } from './kernel.js';

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

export const conjugate: KernelTable = {
  HbpCgDescend: descend,
  HbpCgTurn: turn,
};
