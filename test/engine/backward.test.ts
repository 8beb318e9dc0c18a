import fc from 'fast-check';
import { curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import type { SecondOrder } from '../../src/engine/curvature/second-order.js';
import { hasChosen } from '../../src/engine/fused-curvature.js';
import { backpropagate, type BackpropagateOptions, type Gradients } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, partOn, runsHere } from '../support/backends.js';
import { expectClose } from '../support/golden.js';
import { pooledActivations, pooledNetwork, pooledNetworkInput, seeded } from '../support/pooled-network.js';
import { again, networkCases, type Pass, passOf } from '../support/random-network.js';

const close = { rtol: 1e-5, atol: 1e-7 };
const loss = new CrossEntropy();
const kept: Required<BackpropagateOptions>['outputs'][] = ['unpooled', 'parametric', 'none'];

const backwardOf = ({ model, trace, loss, lossSaved }: Pass, outputs: (typeof kept)[number]): Gradients =>
  backpropagate(model, trace, loss.gradient(lossSaved), { outputs });

function passThrough(activation: string): Pass {
  const model = pooledNetwork(activation);
  const { input, target } = pooledNetworkInput();
  return { model, input, target, loss, ...again(model, loss, input, target) };
}

async function expectSameParameters(gradients: Gradients, expected: Gradients, name: string): Promise<void> {
  expect(Object.keys(gradients.parameters).sort()).toEqual(Object.keys(expected.parameters).sort());
  for (const [path, gradient] of Object.entries(expected.parameters)) {
    await expectClose(gradients.parameters[path]!, gradient, close, `${name} ${path}`);
  }
}

describeOnEveryBackend('backpropagation at the cells that pooling chose', (backend) => {
  const nets = partOn(backend, pooledActivations, (name) => name === 'tanh');

  it.each(nets)('%s: gradients are those by all cells', async (activation) => {
    await expectNoLeak(() =>
      inScope(async () => {
        const pass = passThrough(activation);
        for (const outputs of kept) await expectSameParameters(backwardOf(pass, outputs), pass.gradients, outputs);
        pass.model.dispose();
      }),
    );
  });

  it('says what it has left out, and frees what nobody asked for', async () => {
    await expectNoLeak(() =>
      inScope(async () => {
        const pass = passThrough('tanh');
        const { gradients, model } = pass;
        const unpooled = backwardOf(pass, 'unpooled');
        const known = unpooled.outputs.flatMap((gradient, l) => (gradient ? [l] : []));
        // Two convolutions with pooling behind them, of three and four layers.
        const outside = [2, 6, 7, 8, 9, 10, 11, 12];
        expect(known).toEqual(hasChosen() ? outside : model.layers.map((_, l) => l));
        for (const l of known) await expectClose(unpooled.outputs[l]!, gradients.outputs[l]!, close, `output ${l}`);
        // Of these, layers with parameters.
        const parametric = backwardOf(pass, 'parametric').outputs.flatMap((gradient, l) => (gradient ? [l] : []));
        expect(parametric).toEqual(
          model.layers.flatMap(({ layer }, l) => (known.includes(l) && layer.parameters.length > 0 ? [l] : [])),
        );
        const { numTensors } = tf.memory();
        const { outputs, prepared, parameters } = tf.scoped(() => backwardOf(pass, 'none'));
        expect([...outputs, ...prepared!].every((tensor) => tensor === undefined)).toBe(true);
        expect(tf.memory().numTensors - numTensors).toBe(Object.keys(parameters).length);
        model.dispose();
      }),
    );
  });

  it.each(nets)('%s: curvature products make what was left out where they need it', async (activation) => {
    await expectNoLeak(() =>
      inScope(async () => {
        const { model, trace, gradients, lossSaved, ...rest } = passThrough(activation);
        const unpooled = backwardOf({ model, trace, gradients, lossSaved, ...rest }, 'unpooled');
        const modes: SecondOrder[] = ['zero', 'abs', 'none'];
        for (const secondOrder of partOn(backend, modes, (mode) => mode === 'abs')) {
          for (const products of ['fast', 'plain'] as const) {
            const [theirs, ours] = [gradients, unpooled].map((each) =>
              curvatureProducts(model, trace, each, lossHessian(loss, lossSaved), { secondOrder, products }),
            );
            for (const { path, parameter } of partOn(backend, model.parameters, ({ path }) => path === '0.weight')) {
              const v = seeded([1, ...parameter.shape], 3);
              await expectClose(ours![path]!.matmat(v), theirs![path]!.matmat(v), close, `${secondOrder} ${path}`);
            }
            [theirs!, ours!].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
          }
        }
        model.dispose();
      }),
    );
  });

  it('gives the same gradients of random networks', async () => {
    await fc.assert(
      fc.asyncProperty(networkCases({ pictures: true }), (networkCase) =>
        inScope(async () => {
          const pass = passOf(networkCase);
          for (const outputs of kept) await expectSameParameters(backwardOf(pass, outputs), pass.gradients, outputs);
          pass.model.dispose();
        }),
      ),
      { numRuns: runsHere(12) },
    );
  });
});
