import { readFileSync } from 'node:fs';
import { ConfigError } from '../../src/errors.js';
import { useBackend } from '../../src/engine/backend/index.js';
import { inputCurvature, lossHessian, networkCurvature } from '../../src/engine/curvature/cvp/index.js';
import { curvatureDiagonals } from '../../src/engine/curvature/estimators/diagonals.js';
import { hessianBackpropagation } from '../../src/engine/curvature/hbp/index.js';
import { kflr, kroneckerOperators } from '../../src/engine/curvature/kronecker-factors/index.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import { Linear } from '../../src/engine/nn/linear.js';
import type { Layer, LayerKind } from '../../src/engine/nn/layer.js';
import type { Loss } from '../../src/engine/nn/loss.js';
import { Mse } from '../../src/engine/nn/mse.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Kfac } from '../../src/engine/optim/kfac.js';
import { checkSupport, quantities, type Quantity, supportOf } from '../../src/engine/support.js';
import { exampleLayers, exampleLosses, layerSupport, supportDocument } from '../../src/engine/support-table.js';
import * as tf from '../../src/engine/tf.js';
import { numbersOf, numbersOfAll } from '../support/backends.js';
import { again, type Pass } from '../support/random-network.js';

beforeAll(async () => {
  await useBackend('cpu');
});
beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

const place = '2';

/** The layer at place 2, with parameters before it, so that everything has to pass it, and after it. */
function around(row: string, layer: Layer): Pass {
  const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.5, 'float32', seed);
  const first = new Conv2d(normal([1, 1, 2, 2], 1), normal([2], 2));
  const between = row === 'linear' ? new Flatten() : new Sequential([]);
  const input = normal([2, 4, 4, 2], 3);
  const before = new Sequential([first, between, layer, new Flatten()]);
  const width = before.forward(input).output.shape[1]!;
  const model = new Sequential([
    first,
    between,
    layer,
    new Flatten(),
    new Linear(normal([2, width], 4), normal([2], 5)),
  ]);
  const [loss, target] = [new Mse(), normal([2, 2], 6)];
  return { model, input, target, loss, ...again(model, loss, input, target) };
}

const index = (pass: Pass): number => pass.model.layers.findIndex(({ path }) => path === place);

/** Products with ones, of the parameters of the layer at place 2. */
function ownProducts(operators: Record<string, LinearOperator>): tf.Tensor[] {
  return Object.entries(operators)
    .filter(([path]) => path.startsWith(`${place}.`))
    .map(([, operator]) => operator.matvec(tf.ones([...operator.shape])));
}

/** How each quantity is really computed: what it gives for the layer at place 2. */
const compute: Record<Quantity, (pass: Pass) => tf.Tensor[] | Promise<tf.Tensor[]>> = {
  forward: ({ trace }) => [trace.output],
  jacobian: (pass) => {
    const layer = pass.model.layers[index(pass)]!.layer;
    const saved = pass.trace.saved[index(pass)]!;
    const dy = pass.gradients.outputs[index(pass)]!;
    const dx = layer.inputVjp(saved, dy);
    const ofParameters = layer.parameters.flatMap(({ name, value }) => [
      layer.paramJvp(saved, name, value),
      layer.paramVjp(saved, name, dy),
    ]);
    return [dx, layer.inputJvp(saved, dx), ...ofParameters];
  },
  'second-order': (pass) => {
    const layer = pass.model.layers[index(pass)]!.layer;
    if (!('secondOrder' in layer)) return [];
    const rule = layer as Layer & { secondOrder(saved: unknown, g: tf.Tensor): tf.Tensor | null };
    const dy = pass.gradients.outputs[index(pass)]!;
    return [rule.secondOrder(pass.trace.saved[index(pass)], dy) ?? tf.zerosLike(dy)];
  },
  'hbp-input': (pass) => {
    const { model, trace, gradients, loss, lossSaved } = pass;
    const all = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(lossSaved));
    return [all['0.weight']!.matvec(tf.ones([1, 1, 2, 2]))];
  },
  'hbp-parameters': ({ model, trace, gradients, loss, lossSaved }) =>
    ownProducts(hessianBackpropagation(model, trace, gradients, loss.averagedHessian(lossSaved))),
  'row-blocks': ({ model, trace, gradients, loss, lossSaved }) =>
    ownProducts(hessianBackpropagation(model, trace, gradients, loss.averagedHessian(lossSaved), { blocks: 2 })),
  cvp: ({ model, trace, gradients, loss, lossSaved, input }) => {
    const outputHessian = lossHessian(loss, lossSaved);
    return [inputCurvature(model, trace, gradients, outputHessian, input.shape, { secondOrder: 'none' }).matvec(input)];
  },
  'network-hessian': ({ model, trace, gradients, loss, lossSaved }) => {
    const whole = networkCurvature(model, trace, gradients, lossHessian(loss, lossSaved), { secondOrder: 'none' });
    return [whole.matvec(tf.ones([...whole.shape]))];
  },
  'ggn-diagonal': ({ model, loss, input, target }) => Object.values(curvatureDiagonals(model, loss, input, target)),
  'kronecker-factors': ({ model, trace, gradients, loss, lossSaved }) =>
    ownProducts(kroneckerOperators(model, kflr(model, trace, gradients, loss, lossSaved))),
  kfac: async ({ model, trace, gradients }) => {
    const before = model.parameters.map(({ path, parameter }) => ({
      path,
      parameter,
      value: tf.clone(parameter.value),
    }));
    await new Kfac({ lr: 0.1 }).update(model, trace, gradients);
    return before
      .filter(({ path }) => path.startsWith(`${place}.`))
      .map(({ parameter, value }) => tf.sub(parameter.value, value));
  },
};

const cells = Object.entries<() => Layer>(exampleLayers).flatMap(([row, make]) =>
  (Object.keys(quantities) as Quantity[]).map((quantity) => ({ row, make, quantity })),
);

describe('support', () => {
  it.each(cells)('says of $row what is true of $quantity', async ({ row, make, quantity }) => {
    const layer = make();
    const pass = around(row, layer);
    const support = supportOf(layer, quantity);
    if (typeof support !== 'string') {
      await expect((async () => await compute[quantity](pass))()).rejects.toThrow(ConfigError);
      return;
    }
    const results = await compute[quantity](pass);
    if (support === 'nothing') {
      expect(results).toEqual([]);
      return;
    }
    expect(results.length).toBeGreaterThan(0);
    for (const result of results) expect((await numbersOf(result)).every(Number.isFinite)).toBe(true);
    // A curvature that is there does something; ones are no null vector of these.
    if (!['second-order', 'forward', 'jacobian'].includes(quantity)) {
      const largest = await numbersOfAll(results.map((result) => tf.max(tf.abs(result))));
      expect(Math.max(...largest.flat())).toBeGreaterThan(0);
    }
  });

  it('covers every kind of layer, and refuses something', () => {
    const kinds = new Set<LayerKind>(Object.values<() => Layer>(exampleLayers).map((make) => make().kind));
    expect([...kinds].sort()).toEqual(
      Object.keys(exampleLayers)
        .filter((row) => row !== 'conv2d in groups')
        .sort(),
    );
    expect(layerSupport().refusals).toHaveLength(2);
  });

  it.each(Object.entries(exampleLosses))('has every derivative of %s', (name, loss: Loss) => {
    const output = tf.tensor2d([[1, -2, 0.5]]);
    const target = name === 'cross-entropy' ? tf.tensor1d([2], 'int32') : tf.tensor2d([[1, 0, 0]]);
    const { saved } = loss.forward(output, target);
    expect(loss.gradient(saved).shape).toEqual([1, 3]);
    expect(loss.averagedHessian(saved).shape).toEqual([3, 3]);
    expect(loss.hessianVp(saved, output).shape).toEqual([1, 3]);
    expect(loss.factor(saved).shape.slice(0, 2)).toEqual([1, 3]);
    expect(loss.sampledFactor(saved, 2, { uniform: Math.random }).shape).toEqual([1, 3, 2]);
  });
});

describe('checkSupport', () => {
  const grouped = (): Layer => exampleLayers['conv2d in groups']();

  it('lists all that is not supported, each with what comes nearest', () => {
    const model = new Sequential([grouped(), new Sequential([grouped()])]);
    const line = (title: string, path: string): string =>
      `${title} of layer ${path} (K-FAC has no rule for convolutions in groups, use HBP parameter blocks)`;
    const check = (): void => checkSupport(model, ['cvp', 'kronecker-factors', 'kfac']);
    expect(check).toThrow(ConfigError);
    expect(check).toThrow(
      `not supported: ${line('Kronecker factors', '0')}; ${line('Kronecker factors', '1.0')}; ` +
        `${line('K-FAC optimiser', '0')}; ${line('K-FAC optimiser', '1.0')}`,
    );
  });

  it('knows nothing of kinds that are not in the tables', () => {
    const stranger = Object.assign(exampleLayers.linear(), { kind: 'attention' }) as unknown as Layer;
    expect(() => checkSupport(new Sequential([stranger]), ['hbp-input', 'kronecker-factors'])).toThrow(
      'not supported: HBP input Hessian of layer 0 (HBP has no rule for attention, use CVP); Kronecker factors of layer 0 ' +
        '(K-FAC has rules for linear, conv2d, not for attention, use CVP)',
    );
  });

  it('lets pass what is supported', () => {
    const supported = (Object.keys(quantities) as Quantity[]).filter(
      (each) => !['kfac', 'kronecker-factors'].includes(each),
    );
    expect(() => checkSupport(new Sequential([grouped()]), supported)).not.toThrow();
    expect(() => checkSupport(new Sequential([exampleLayers.conv2d()]), ['kfac', 'kronecker-factors'])).not.toThrow();
  });
});

describe('docs/support.md', () => {
  it('is up to date: `npm run build && node scripts/generate-support.js`', () => {
    const file = readFileSync(new URL('../../docs/support.md', import.meta.url), 'utf8');
    expect(file).toBe(supportDocument());
  });
});
