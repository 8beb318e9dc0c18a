import { hessianBackpropagation, type SecondOrder } from '../../src/engine/curvature/hbp/index.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { CgNewton } from '../../src/engine/optim/cg-newton.js';
import type { CgReport } from '../../src/engine/optim/cg.js';
import { Sgd } from '../../src/engine/optim/sgd.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak } from '../support/backends.js';
import {
  expectClose,
  goldenNames,
  type GoldenTensor,
  type LayerSpec,
  networkOf,
  type Params,
  readGolden,
  tensorOf,
  toleranceOf,
} from '../support/golden.js';

interface Given {
  params: Params;
  batches: { inputs: GoldenTensor[]; labels: GoldenTensor[] };
}
interface Expected {
  steps: {
    loss: number;
    params: {
      param: string;
      grad_norm: number;
      cg?: {
        iterations: number;
        converged: boolean;
        stop_bound: number;
        rhs_norm: number;
        residual_norms: GoldenTensor;
      };
    }[];
  }[];
  params_after_step_1: Params;
  final_params: Params;
  final_losses: GoldenTensor;
}
interface Spec {
  network: { layers: LayerSpec[] };
  optimizer: {
    lr: number;
    momentum?: number;
    alpha: number;
    cg_tol: number;
    cg_atol: number;
    cg_maxiter: number;
    modify_2nd_order_terms: SecondOrder;
    max_blocks?: number;
  };
}

const loss = new CrossEntropy();

/** Five steps on the given batches, compared with the reference after each; the optimiser is the only difference. */
async function follow(
  name: string,
  step: (
    model: ReturnType<typeof networkOf>,
    pass: {
      trace: ReturnType<ReturnType<typeof networkOf>['forward']>;
      gradients: ReturnType<typeof backpropagate>;
      hessian: tf.Tensor;
    },
  ) => Promise<Record<string, readonly CgReport[]> | null>,
): Promise<void> {
  const golden = readGolden<Given, Expected, Spec>(name);
  const tolerance = toleranceOf(golden);
  const { inputs, labels } = golden.given.batches;
  const model = networkOf(golden.spec.network.layers, golden.given.params);
  const compare = (expected: Params): void => {
    for (const { path, parameter } of model.parameters) {
      expectClose(parameter.value, expected[path]!, tolerance, path);
    }
  };
  for (const [k, expected] of golden.expected.steps.entries()) {
    const scope = tf.scoped(() => {
      const trace = model.forward(tensorOf(inputs[k]!));
      const { value, saved } = loss.forward(trace.output, tensorOf(labels[k]!));
      const gradients = backpropagate(model, trace, loss.gradient(saved));
      return { trace, value, gradients, hessian: loss.averagedHessian(saved) };
    });
    expectClose(scope.value, [expected.loss], tolerance, `loss of step ${k}`);
    const reports = await step(model, scope);
    if (reports) {
      const got = model.parameters.flatMap(({ path }) => reports[path]!.map((report) => ({ path, ...report })));
      // The reference lists the parts of a split layer block by block, we list each parameter's blocks together.
      const wanted = model.parameters.flatMap(({ path }) =>
        expected.params.filter(({ param }) => param === path).map(({ cg }) => ({ path, ...cg! })),
      );
      expect(got.map(({ path, iterations, converged }) => [path, iterations, converged])).toEqual(
        wanted.map(({ path, iterations, converged }) => [path, iterations, converged]),
      );
      got.forEach(({ path, residualNorm }, i) => {
        const { residual_norms, rhs_norm } = wanted[i]!;
        const error = Math.abs(residualNorm - residual_norms.data.at(-1)!) / rhs_norm;
        expect({ path, residualErrorWithin: error < tolerance.rtol }).toEqual({ path, residualErrorWithin: true });
      });
    }
    tf.dispose([scope.trace, scope.value, scope.gradients, scope.hessian] as unknown as tf.Tensor[]);
    if (k === 0) compare(golden.expected.params_after_step_1);
  }
  compare(golden.expected.final_params);
  const finalLosses = inputs.map((input, k) =>
    tf.tidy(() => loss.forward(model.forward(tensorOf(input)).output, tensorOf(labels[k]!)).value.dataSync()[0]!),
  );
  expectClose(finalLosses, golden.expected.final_losses, tolerance, 'final losses');
  model.dispose();
}

describeOnEveryBackend('training trajectories against golden numbers', () => {
  it('train_sgd_mlp', async () => {
    await expectNoLeak(async () => {
      const { lr, momentum } = readGolden<Given, Expected, Spec>('train_sgd_mlp').spec.optimizer;
      const sgd = new Sgd({ lr, momentum: momentum! });
      await follow('train_sgd_mlp', (model, { gradients }) => {
        sgd.update(model.parameters, gradients.parameters);
        return Promise.resolve(null);
      });
      sgd.dispose();
    });
  });

  it.each(goldenNames('train_cgn_hbp_mlp'))('%s', async (name) => {
    await expectNoLeak(async () => {
      const { optimizer } = readGolden<Given, Expected, Spec>(name).spec;
      const newton = new CgNewton({
        lr: optimizer.lr,
        alpha: optimizer.alpha,
        tol: optimizer.cg_tol,
        atol: optimizer.cg_atol,
        maxiter: optimizer.cg_maxiter,
      });
      await follow(name, async (model, { trace, gradients, hessian }) => {
        const curvature = hessianBackpropagation(model, trace, gradients, hessian, {
          secondOrder: optimizer.modify_2nd_order_terms,
          blocks: optimizer.max_blocks ?? 1,
        });
        const reports = await newton.update(model.parameters, gradients.parameters, curvature);
        Object.values(curvature).forEach((operator) => operator.dispose());
        return reports;
      });
    });
  });
});
