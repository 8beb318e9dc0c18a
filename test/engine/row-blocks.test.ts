import { denseOperator } from '../../src/engine/curvature/algebra.js';
import { curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { hessianBackpropagation } from '../../src/engine/curvature/hbp/index.js';
import { inRowBlocks } from '../../src/engine/curvature/row-block-operator.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { conjugateGradients } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, partOn } from '../support/backends.js';
import {
  expectClose,
  type GoldenTensor,
  type LayerSpec,
  networkOf,
  type Params,
  readGolden,
  tensorOf,
} from '../support/golden.js';

const options = { tol: 1e-3, atol: 0, maxiter: 50 };

describeOnEveryBackend('row blocks of any operator', (backend) => {
  it.each([
    { shape: [5, 2], axis: 0 },
    { shape: [1, 2, 1, 5], axis: 3 },
    { shape: [5], axis: 0 },
  ])('keeps the diagonal blocks of $shape along axis $axis', async ({ shape, axis }) => {
    const n = tf.util.sizeFromShape(shape);
    const inner = n / 5;
    const row = (i: number): number => (axis === 0 ? Math.floor(i / inner) : i % 5);
    const entry = (i: number, j: number): number => Math.cos(i * j) + (i === j ? n : 0);
    await inScope(async () => {
      const values = Array.from({ length: n * n }, (_, k) => entry(Math.floor(k / n), k % n));
      const blocks = inRowBlocks(denseOperator(tf.tensor2d(values, [n, n]), shape), 3, axis);
      const expected = values.map((value, k) =>
        Math.floor(row(Math.floor(k / n)) / 2) === Math.floor(row(k % n) / 2) ? value : 0,
      );
      await expectClose(blocks.toDense(), expected, { rtol: 1e-6, atol: 0 });
      blocks.dispose();
    });
  });

  it('solves them as splitting in Hessian backpropagation does, count for count; and takes exact products', async () => {
    const golden = readGolden<
      { params: Params; input: GoldenTensor; labels: GoldenTensor },
      unknown,
      { network: { layers: LayerSpec[] } }
    >('network_mlp_b6');
    await expectNoLeak(async () => {
      const loss = new CrossEntropy();
      const { model, split, whole, exact, gradients } = tf.scoped(() => {
        const model = networkOf(golden.spec.network.layers, golden.given.params);
        const trace = model.forward(tensorOf(golden.given.input));
        const { saved } = loss.forward(trace.output, tensorOf(golden.given.labels));
        const pass = backpropagate(model, trace, loss.gradient(saved));
        const hessian = loss.averagedHessian(saved);
        const split = hessianBackpropagation(model, trace, pass, hessian, { secondOrder: 'abs', blocks: 3 });
        const whole = hessianBackpropagation(model, trace, pass, hessian, { secondOrder: 'abs' });
        const exact = curvatureProducts(model, trace, pass, lossHessian(loss, saved), { secondOrder: 'abs' });
        return { model, split, whole, exact, gradients: pass.parameters };
      });
      // Where a part is taken, the first weight and bias.
      const solved = partOn(backend, model.parameters, (_, i) => i < 2);
      for (const { path } of model.parameters) {
        const operators = [split[path]!, inRowBlocks(whole[path]!, 3), inRowBlocks(exact[path]!, 3)];
        if (!solved.some((parameter) => parameter.path === path)) {
          operators.forEach((operator) => operator.dispose());
          continue;
        }
        const systems = tf.scoped(() => operators.map((operator) => operator.dampedSystem(gradients[path]!, 0.02)));
        const results = await conjugateGradients(systems, options);
        const [reduced, masked, ofExact] = results.map(({ reports }) => reports);
        expect(masked!.map(({ iterations, stop }) => [iterations, stop])).toEqual(
          reduced!.map(({ iterations, stop }) => [iterations, stop]),
        );
        expect(ofExact!.map(({ stop }) => stop)).toEqual(reduced!.map(() => 'converged'));
        await inScope(async () => {
          const [first, second] = results.map(({ x }, i) => systems[i]!.lift(x));
          await expectClose(second!, first!, { rtol: 1e-4, atol: 1e-7 }, path);
        });
        systems.forEach((system) => system.dispose());
        operators.forEach((operator) => operator.dispose());
        tf.dispose(results.map(({ x }) => x));
      }
      tf.dispose(gradients);
      model.dispose();
    });
  });

  it('refuses an axis that is not there', () => {
    tf.tidy(() => {
      expect(() => inRowBlocks(denseOperator(tf.eye(4)), 2, 1)).toThrow(RangeError);
    });
  });
});
