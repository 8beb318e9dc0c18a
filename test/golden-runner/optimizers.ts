import { curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import type { Gradients } from '../../src/engine/nn/backward.js';
import type { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import type { Sequential, Trace } from '../../src/engine/nn/sequential.js';
import { Adam } from '../../src/engine/optim/adam.js';
import { CgNewton } from '../../src/engine/optim/cg-newton.js';
import type { CgReport } from '../../src/engine/optim/cg.js';
import { Kfac } from '../../src/engine/optim/kfac.js';
import { Sgd } from '../../src/engine/optim/sgd.js';
import { eigh, type Eigh, eighOnHost } from '../../src/engine/linalg/eigh.js';
import * as tf from '../../src/engine/tf.js';
import { type GoldenTensor, tensorOf } from '../support/golden.js';

export type OptimizerSpec = { kind: string } & Record<string, unknown>;
/** The eigenvectors of the factors of each layer that the reference used at each step that renewed them. */
export type Eigenbases = { step: number; layer: string; Q_a: GoldenTensor; Q_g: GoldenTensor }[];

export interface Pass {
  trace: Trace;
  saved: Parameters<CrossEntropy['gradient']>[0];
  gradients: Gradients;
}

export interface Stepped {
  reports?: Record<string, readonly CgReport[]>;
  klSum?: number;
  nu?: number;
}

export interface Optimizer {
  step(model: Sequential, pass: Pass): Promise<Stepped>;
  factors?(): Kfac['factors'];
  scales?(path: string): tf.Tensor;
  dispose(): void;
}

/** @throws Error  an optimiser or a setting that nothing here knows */
export function optimizerOf(spec: OptimizerSpec, loss: CrossEntropy, eigenbases?: Eigenbases): Optimizer {
  const settings = new Settings(spec);
  const optimizer = create(settings, loss, eigenbases);
  settings.assertAllTaken();
  return optimizer;
}

function create(settings: Settings, loss: CrossEntropy, eigenbases?: Eigenbases): Optimizer {
  switch (settings.kind) {
    case 'sgd': {
      const sgd = new Sgd({
        lr: settings.number('lr'),
        momentum: settings.number('momentum', 0),
        nesterov: settings.flag('nesterov', false),
        weightDecay: settings.number('weight_decay', 0),
      });
      return firstOrder(sgd);
    }
    case 'adam': {
      const adam = new Adam({
        lr: settings.number('lr'),
        betas: settings.take('betas', [0.9, 0.999]),
        eps: settings.number('eps', 1e-8),
        weightDecay: settings.number('weight_decay', 0),
      });
      return firstOrder(adam);
    }
    case 'kfac':
    case 'ekfac':
      return kfac(settings, eigenbases);
    case 'CGNewton on HBP': {
      const options = {
        secondOrder: settings.take<SecondOrder>('modify_2nd_order_terms'),
        averageInputJacobian: settings.flag('average_input_jacobian'),
        averageParameterJacobian: settings.flag('average_parameter_jacobian'),
        blocks: settings.number('max_blocks', 1),
      };
      settings.take('block_rule', '');
      return cgNewton(settings, (model, { trace, gradients, saved }) =>
        hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), options),
      );
    }
    case 'CGNewton on CVP': {
      const secondOrder = settings.take<SecondOrder>('modify_2nd_order_terms');
      return cgNewton(settings, (model, { trace, gradients, saved }) =>
        curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder }),
      );
    }
    default:
      throw new Error(`unknown optimizer ${settings.kind}`);
  }
}

function firstOrder(optimizer: Sgd | Adam): Optimizer {
  return {
    step: (model, { gradients }) => {
      optimizer.update(model.parameters, gradients.parameters);
      return Promise.resolve({});
    },
    dispose: () => optimizer.dispose(),
  };
}

function cgNewton(
  settings: Settings,
  curvatureOf: (model: Sequential, pass: Pass) => Record<string, LinearOperator>,
): Optimizer {
  const newton = new CgNewton({
    lr: settings.number('lr'),
    alpha: settings.number('alpha'),
    tol: settings.number('cg_tol'),
    atol: settings.take<number | null>('cg_atol', 0) ?? 0,
    maxiter: settings.take<number | null>('cg_maxiter', null),
    onNonPositiveCurvature: 'continue', // the reference does not look
  });
  return {
    step: async (model, pass) => {
      const curvature = tf.scoped(() => curvatureOf(model, pass));
      const reports = await newton.update(model.parameters, pass.gradients.parameters, curvature);
      Object.values(curvature).forEach((operator) => operator.dispose());
      return { reports };
    },
    dispose: () => undefined,
  };
}

function kfac(settings: Settings, eigenbases?: Eigenbases): Optimizer {
  const published = settings.kind === 'ekfac' ? settings.take<string>('scale_variant') : null;
  if (published !== null && published !== 'corrected' && published !== 'as_published') {
    throw new Error(`unknown scale_variant ${published}`);
  }
  if (!settings.flag('batch_averaged', true)) throw new Error('K-FAC without batch_averaged is not supported');
  const optimizer = new Kfac({
    lr: settings.number('lr'),
    momentum: settings.number('momentum'),
    statDecay: settings.number('stat_decay'),
    damping: settings.number('damping'),
    klClip: settings.number('kl_clip'),
    weightDecay: settings.number('weight_decay'),
    TCov: settings.number('TCov'),
    TInv: settings.number('TInv'),
    ...(published && {
      ekfac: {
        TScal: settings.number('TScal'),
        scaleVariant: published === 'corrected' ? ('corrected' as const) : ('as-published' as const),
      },
    }),
    eigh: eigenbases ? inBases(eigenbases) : eigh,
  });
  return {
    step: async (model, { trace, gradients }) => {
      const { klSum, nu } = await optimizer.update(model, trace, gradients);
      const stepped = { klSum: (await klSum.data())[0]!, nu: (await nu.data())[0]! };
      tf.dispose([klSum, nu]);
      return stepped;
    },
    factors: () => optimizer.factors,
    scales: (path) => optimizer.bases.get(path)!.scales,
    dispose: () => optimizer.dispose(),
  };
}

/** Our own eigenvalues, with the eigenvectors of the file: their signs are arbitrary, and some numbers depend on them. */
function inBases(eigenbases: Eigenbases): Eigh {
  const queue = eigenbases.flatMap(({ Q_a, Q_g }) => [Q_a, Q_g]);
  return async (matrix) => {
    const { values, vectors } = await eighOnHost(matrix); // float32 turns eigenvectors of close eigenvalues
    const given = tensorOf(queue.shift()!);
    const least = tf.tidy(() => tf.min(tf.abs(tf.sum(tf.mul(vectors, given), 0))));
    const [overlap = NaN] = await least.data();
    least.dispose();
    if (!(overlap > 0.99)) throw new Error(`eigenvectors of the file are not ours: overlap ${overlap}`);
    vectors.dispose();
    return { values, vectors: given };
  };
}

/** The settings of a file, each to be asked for: what nobody asks for is an error. */
class Settings {
  readonly #asked = new Set(['kind']);

  constructor(private readonly spec: OptimizerSpec) {}

  get kind(): string {
    return this.spec.kind;
  }

  take<T>(key: string, fallback?: T): T {
    this.#asked.add(key);
    const value = this.spec[key] ?? fallback;
    if (value === undefined) throw new Error(`optimizer.${key} is missing`);
    return value as T;
  }

  number(key: string, fallback?: number): number {
    return this.take(key, fallback);
  }

  flag(key: string, fallback?: boolean): boolean {
    return this.take(key, fallback);
  }

  assertAllTaken(): void {
    const unknown = Object.keys(this.spec).filter((key) => !this.#asked.has(key));
    if (unknown.length > 0) throw new Error(`optimizer settings that this runner does not know: ${unknown.join(', ')}`);
  }
}
