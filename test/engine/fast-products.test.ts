import fc from 'fast-check';
import {
  chunkedCurvature,
  curvatureProducts,
  lossHessian,
  Planner,
  type Route,
} from '../../src/engine/curvature/cvp/index.js';
import { BlockProducts } from '../../src/engine/curvature/cvp/block-products.js';
import { FactorCascade, factorProduct } from '../../src/engine/curvature/cvp/factor-cascade.js';
import { Linearization } from '../../src/engine/curvature/cvp/linearization.js';
import { cheapestRoute, costsOf } from '../../src/engine/curvature/cvp/routes.js';
import { TangentNetwork } from '../../src/engine/curvature/cvp/tangent-network.js';
import { scaled } from '../../src/engine/curvature/algebra.js';
import type { KrylovSystem } from '../../src/engine/curvature/operator.js';
import { plainSystemOf } from '../../src/engine/curvature/row-block-operator.js';
import type { SecondOrder } from '../../src/engine/curvature/second-order.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { type CgOptions, conjugateGradients } from '../../src/engine/optim/cg.js';
import { CgNewton } from '../../src/engine/optim/cg-newton.js';
import * as tf from '../../src/engine/tf.js';
import {
  describeOnEveryBackend,
  expectNoLeak,
  inScope,
  isSlow,
  numbersOf,
  partOn,
  runsHere,
  type TestBackend,
} from '../support/backends.js';
import { expectClose } from '../support/golden.js';
import {
  pooledActivations,
  pooledNetwork,
  pooledNetworkInput,
  seeded,
  stackedNetwork,
} from '../support/pooled-network.js';
import { again, networkCases, type Pass, passOf } from '../support/random-network.js';

const loss = new CrossEntropy();

function passThrough(model: Sequential): Pass {
  const { input, target } = pooledNetworkInput();
  return { model, input, target, loss, ...again(model, loss, input, target) };
}

type Products = Parameters<typeof curvatureProducts>[4];
const productsOf = ({ model, trace, gradients, loss, lossSaved }: Pass, options: Products) =>
  curvatureProducts(model, trace, gradients, lossHessian(loss, lossSaved), options);

const modes: SecondOrder[] = ['zero', 'abs', 'clip', 'none'];
const ways: (Route | undefined)[] = ['chain', 'local', 'rows', 'square', 'gram', undefined];

describeOnEveryBackend('fast products of single parameters', (backend) => {
  const nets = pooledActivations.filter((name) => name === 'tanh' || backend === 'native');

  it.each(nets)('%s: are the plain ones, in every mode', async (activation) => {
    await expectNoLeak(() =>
      inScope(async () => {
        const model = pooledNetwork(activation);
        const pass = passThrough(model);
        for (const secondOrder of partOn(backend, modes, (mode) => mode === 'abs')) {
          const fast = productsOf(pass, { secondOrder });
          const plain = productsOf(pass, { secondOrder, products: 'plain' });
          // Where programs are compiled for every shape: the first weight, whose products go through all layers.
          for (const { path, parameter } of model.parameters.slice(0, isSlow(backend) ? 1 : undefined)) {
            const v = seeded([2, ...parameter.shape], 20);
            const expected = plain[path]!.matmat(v);
            await expectClose(fast[path]!.matmat(v), expected, { rtol: 1e-5, atol: 1e-7 }, `${secondOrder} ${path}`);
            const [product, again] = [fast[path]!.matvec(tf.reshape(tf.slice(v, 0, 1), parameter.shape)), expected];
            await expectClose(product, tf.reshape(tf.slice(again, 0, 1), parameter.shape), { rtol: 1e-5, atol: 1e-7 });
          }
          [fast, plain].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
        }
        model.dispose();
      }),
    );
  });

  it('are the plain ones on random networks, samples coupled or not', async () => {
    const cases = fc.tuple(
      fc.boolean().chain((pictures) => networkCases({ pictures })),
      fc.constantFrom(...modes),
    );
    await fc.assert(
      fc.asyncProperty(cases, ([networkCase, secondOrder]) =>
        inScope(async () => {
          const pass = passOf(networkCase);
          const fast = productsOf(pass, { secondOrder });
          const plain = productsOf(pass, { secondOrder, products: 'plain' });
          for (const { path, parameter } of pass.model.parameters) {
            const v = seeded([1, ...parameter.shape], 21);
            const expected = plain[path]!.matmat(v);
            await expectClose(fast[path]!.matmat(v), expected, { rtol: 2e-5, atol: 1e-6 }, path);
          }
          [fast, plain].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
          pass.model.dispose();
        }),
      ),
      { numRuns: runsHere(12) },
    );
  });
});

/** Iterates after three iterations; and what the experiments ask for, which stops by itself. */
const cg: CgOptions = { tol: 0, atol: 0, maxiter: 2 };
const published: CgOptions = { tol: 0.1, atol: 0, maxiter: 200 };

interface Solved {
  readonly step: tf.Tensor;
  readonly iterations: number;
  readonly stop: string;
}

async function solve(system: KrylovSystem, options = cg): Promise<Solved> {
  const [{ x, reports }] = (await conjugateGradients([system], options)) as [
    Awaited<ReturnType<typeof conjugateGradients>>[0],
  ];
  const step = tf.keep(tf.scoped(() => system.lift(x)));
  x.dispose();
  system.dispose();
  return { step, iterations: reports[0]!.iterations, stop: reports[0]!.stop };
}

/** Where programs are compiled for every shape: the weights of a convolution and of a fully connected layer. */
const solvedFor = ({ parameters }: Sequential, backend: TestBackend): Sequential['parameters'] =>
  isSlow(backend) ? parameters.filter(({ path }) => /^(0|9)\.weight$/.test(path)) : parameters;

describeOnEveryBackend('damped systems by every way', (backend) => {
  // Sixty solves a network, mode and way: what is slow takes one of each kind.
  const few = backend === 'cpu' || isSlow(backend);
  const nets = few ? ['sigmoid'] : ['sigmoid', 'tanh', 'relu'];

  it.each(nets)('%s: solutions, counts and reasons of the plain ones', async (activation) => {
    await expectNoLeak(() =>
      inScope(async () => {
        const model = pooledNetwork(activation);
        const pass = passThrough(model);
        const { parameters } = pass.gradients;
        for (const secondOrder of few ? (['zero'] as const) : (['zero', 'abs', 'clip'] as const)) {
          const plain = productsOf(pass, { secondOrder, products: 'plain' });
          const expected = new Map<string, Solved>();
          const paths = solvedFor(model, backend).map(({ path }) => path);
          for (const path of paths) {
            for (const options of [cg, published]) {
              const system = tf.scoped(() => plainSystemOf(plain[path]!, tf.neg(parameters[path]!), 0.05));
              expected.set(`${path} ${options.tol}`, await solve(system, options));
            }
          }
          const ofFactor = few ? (['rows', 'gram'] as const) : ways;
          const waysHere = secondOrder === 'zero' ? ofFactor : (['chain', 'gram'] as const);
          for (const route of waysHere) {
            const planner = new Planner(route ? { route } : {});
            const fast = productsOf(pass, { secondOrder, planner });
            const both = paths.flatMap((path) => [cg, published].map((options) => ({ path, options })));
            for (const { path, options } of both) {
              const system = tf.scoped(() => fast[path]!.dampedSystem(parameters[path]!, 0.05, -1));
              const found = await solve(system, options);
              const what = `${secondOrder} ${route ?? 'cheapest'} ${path} ${options.tol}`;
              const { step, iterations, stop } = expected.get(`${path} ${options.tol}`)!;
              expect([what, found.iterations, found.stop]).toEqual([what, iterations, stop]);
              await expectClose(found.step, step, { rtol: 2e-4, atol: 1e-7 }, what);
              found.step.dispose();
            }
            Object.values(fast).forEach((operator) => operator.dispose());
          }
          expected.forEach(({ step }) => step.dispose());
          Object.values(plain).forEach((operator) => operator.dispose());
        }
        model.dispose();
      }),
    );
  });

  it('takes a right-hand side that is not the gradient', async () => {
    await inScope(async () => {
      const model = pooledNetwork('sigmoid');
      const pass = passThrough(model);
      const planner = new Planner({ route: 'gram' });
      const path = '9.weight'; // more inputs than samples: the gradient would go by coefficients of the inputs
      const [fast, plain] = [productsOf(pass, { planner }), productsOf(pass, { products: 'plain' })];
      const b = seeded([4, 54], 30);
      const [found, expected] = [
        await solve(tf.scoped(() => fast[path]!.dampedSystem(b, 0.05))),
        await solve(tf.scoped(() => plainSystemOf(plain[path]!, b, 0.05))),
      ];
      expect(found.iterations).toBe(expected.iterations);
      await expectClose(found.step, expected.step, { rtol: 1e-4, atol: 1e-7 });
      [fast, plain].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
      model.dispose();
    });
  });

  it('goes over to rows in the middle of a solve, and nothing changes', async () => {
    await inScope(async () => {
      const model = pooledNetwork('sigmoid');
      const pass = passThrough(model);
      const linearization = new Linearization(
        model,
        pass.trace,
        pass.gradients,
        lossHessian(loss, pass.lossSaved as never),
        'zero',
        0,
      );
      const release = linearization.retain();
      const network = new TangentNetwork(linearization);
      const cascade = new FactorCascade(network.stages, loss.factor(pass.lossSaved as never));
      const layer = network.layers[1]!;
      const map = layer.parameters[0]!;
      const local = { setUp: 0, perProduct: 1, bytes: 0 };
      const costs = { local, rows: { setUp: 2, perProduct: 0.1, bytes: 0 } };
      const plan = { route: 'local' as const, costs, products: 1, forced: false, memoryLimit: 1 };
      const products = new BlockProducts(layer, map, cascade, plan);
      const p = seeded([1, tf.util.sizeFromShape([...map.shape])], 31);
      const four = [products.multiply(p), products.multiply(p), products.multiply(p), products.multiply(p)];
      expect(products.route).toBe('rows');
      const [first] = four;
      for (const product of four) await expectClose(product, first!, { rtol: 1e-5, atol: 1e-8 });
      products.dispose();
      cascade.dispose();
      network.dispose();
      release();
      model.dispose();
    });
  });
});

/** body on a network of tangents with the loss Hessian's factor, and whether it leaves nothing behind. */
const withFactor = (body: (network: TangentNetwork, cascade: FactorCascade) => Promise<void>): Promise<void> =>
  expectNoLeak(() =>
    inScope(async () => {
      const model = pooledNetwork('tanh');
      const pass = passThrough(model);
      const hessian = lossHessian(loss, pass.lossSaved as never);
      const linearization = new Linearization(model, pass.trace, pass.gradients, hessian, 'zero', 0);
      const release = linearization.retain();
      const network = new TangentNetwork(linearization);
      const cascade = new FactorCascade(network.stages, hessian.factor());
      await body(network, cascade);
      cascade.dispose();
      network.dispose();
      release();
      model.dispose();
    }),
  );

describeOnEveryBackend('the factor of the loss Hessian on its way back', () => {
  it('gives the curvature at every layer', async () => {
    await withFactor(async (network, cascade) => {
      const product = network.product();
      for (const { at, outputShape, path } of network.layers) {
        const t = seeded([2, 5, ...outputShape], 40 + at);
        const [expected] = product.multiply([{ at, tangents: t }]);
        await expectClose(factorProduct(cascade.at(at), t), expected!, { rtol: 1e-5, atol: 1e-8 }, path);
        cascade.releaseAbove(at);
      }
    });
  });
});

describeOnEveryBackend('tangents on their way up to a factor', () => {
  it('come back as from the loss, wherever the factor is', async () => {
    await withFactor(async (network, cascade) => {
      for (const { at: cut } of network.layers.toReversed().filter(({ at }) => at > 0)) {
        const below = network.layers.filter(({ at }) => at <= cut);
        const entries = below.map(({ at, outputShape }) => ({
          at,
          tangents: seeded([2, 5, ...outputShape], 60 + at),
        }));
        const expected = network.product().multiply(entries);
        const found = network.productToFactor(cut, () => cascade.at(cut)).multiply(entries);
        const [alone] = network.productToFactor(cut, () => cascade.at(cut)).multiply(entries.slice(-1));
        for (const [i, curved] of [...found, alone!].entries()) {
          const known = Math.min(i, entries.length - 1);
          await expectClose(curved, expected[known]!, { rtol: 1e-5, atol: 1e-8 }, `${cut}: ${below[known]!.path}`);
        }
      }
    });
  });
});

describeOnEveryBackend('convolutions one behind another', (backend) => {
  it('have the steps of plain products, with tangents of lower layers going up to a factor', async () => {
    await expectNoLeak(() =>
      inScope(async () => {
        const [fast, plain] = [stackedNetwork(), stackedNetwork()];
        const pass = passThrough(plain);
        const { trace, lossSaved } = passThrough(fast);
        const gradients = backpropagate(fast, trace, loss.gradient(lossSaved as never), { outputs: 'parametric' });
        for (const [path, gradient] of Object.entries(pass.gradients.parameters)) {
          await expectClose(gradients.parameters[path]!, gradient, { rtol: 1e-5, atol: 1e-7 }, path);
        }
        const planner = new Planner();
        const counts = fast.parameters.map(({ path }) => [path, /^[025]\./.test(path) ? 1 : 200]);
        planner.restore({ tensors: {}, numbers: Object.fromEntries(counts) as Record<string, number> });
        const operators = curvatureProducts(fast, trace, gradients, lossHessian(loss, lossSaved as never), { planner });
        const plainOperators = productsOf(pass, { products: 'plain' });
        for (const { path, parameter } of solvedFor(fast, backend)) {
          const v = seeded([1, ...parameter.shape], 70);
          const expected = plainOperators[path]!.matmat(v);
          await expectClose(operators[path]!.matmat(v), expected, { rtol: 1e-5, atol: 1e-7 }, path);
        }
        const options = { lr: 0.1, alpha: 0.05, tol: 0.01, atol: 0, maxiter: 20 };
        const reports = await new CgNewton(options).update(fast.parameters, gradients.parameters, operators);
        const expected = await new CgNewton({ ...options, solver: 'plain' }).update(
          plain.parameters,
          pass.gradients.parameters,
          plainOperators,
        );
        const endsOf = (all: typeof reports): unknown =>
          Object.entries(all).map(([path, blocks]) => [path, blocks.map(({ iterations, stop }) => [iterations, stop])]);
        expect(endsOf(reports)).toEqual(endsOf(expected));
        expect(planner.routes).toMatchObject({ '0.weight': 'chain', '0.bias': 'chain', '2.weight': 'chain' });
        for (const [i, { path, parameter }] of plain.parameters.entries()) {
          await expectClose(fast.parameters[i]!.parameter.value, parameter.value, { rtol: 1e-4, atol: 1e-6 }, path);
        }
        [operators, plainOperators].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
        [fast, plain].forEach((model) => model.dispose());
      }),
    );
  });
});

describeOnEveryBackend('inputs that are all but equal', () => {
  it('cost the coefficients of the inputs their digits; the step is then made without them', async () => {
    await inScope(async () => {
      const [samples, inputs] = [6, 40];
      // Gradients that add up to nearly nothing times inputs that are nearly one: what is left is in the differences.
      const x = tf.add(seeded([1, inputs], 50, 1), seeded([samples, inputs], 51, 1e-6));
      const model = new Sequential([new Linear(seeded([3, inputs], 52, 0.2), seeded([3], 53))]);
      const target = tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32');
      const bias = model.parameters[1]!.parameter;
      // Logits all alike and classes evenly spread: the sum of the output gradients is zero.
      bias.assign(
        tf.neg(tf.reshape(tf.matMul(tf.slice(x, 0, 1), model.parameters[0]!.parameter.value, false, true), [3])),
      );
      const pass: Pass = { model, input: x, target, loss, ...again(model, loss, x, target) };
      const path = '0.weight';
      const gradient = pass.gradients.parameters[path]!;
      const fast = productsOf(pass, { planner: new Planner({ route: 'gram' }) });
      const [alone] = await conjugateGradients([tf.scoped(() => fast[path]!.dampedSystem(gradient, 0.1, -1))], cg);
      expect(alone!.reports[0]!.stop).toBe('breakdown');
      const before = await numbersOf(model.parameters[0]!.parameter.value);
      const g = await numbersOf(gradient);
      const newton = new CgNewton({ ...cg, lr: 1, alpha: 0.1 });
      const reports = await newton.update(model.parameters, pass.gradients.parameters, fast);
      expect(reports[path]![0]!.stop).not.toBe('breakdown');
      const after = await numbersOf(model.parameters[0]!.parameter.value);
      const along = after.reduce((sum, value, i) => sum - (value - before[i]!) * g[i]!, 0);
      expect(along).toBeGreaterThan(0);
      Object.values(fast).forEach((operator) => operator.dispose());
      model.dispose();
    });
  });
});

describeOnEveryBackend('chunks of samples', (backend) => {
  it('give the products and the step of the whole batch', async () => {
    await expectNoLeak(() =>
      inScope(async () => {
        const model = pooledNetwork('sigmoid');
        const pass = passThrough(model);
        const { input, target, gradients } = pass;
        const bounds = [
          [0, 2],
          [2, 3],
        ] as const;
        const chunks = bounds.map(([begin, count]) => () => {
          const [x, y] = [tf.slice(input, [begin], [count]), tf.slice(target, [begin], [count])];
          const trace = model.forward(x);
          const { saved } = loss.forward(trace.output, y);
          const share = count / 5;
          const passed = again(model, loss, x, y);
          const ofChunk = Object.fromEntries(
            Object.entries(passed.gradients.parameters).map(([k, g]) => [k, tf.mul(share, g)]),
          );
          const outputs = passed.gradients.outputs.map((g) => g && tf.mul(share, g));
          return {
            trace: passed.trace,
            gradients: { parameters: ofChunk, outputs },
            outputHessian: scaled(lossHessian(loss, saved), share),
          };
        });
        for (const secondOrder of partOn(backend, ['zero', 'abs'] as const, (mode) => mode === 'abs')) {
          const whole = productsOf(pass, { secondOrder });
          const parts = chunkedCurvature(model, chunks, { secondOrder });
          const some = solvedFor(model, backend);
          for (const { path, parameter } of some) {
            const v = seeded(parameter.shape, 60);
            const expected = whole[path]!.matvec(v);
            await expectClose(parts[path]!.matvec(v), expected, { rtol: 1e-5, atol: 1e-7 }, path);
          }
          const systems = some.map(({ path }) =>
            tf.scoped(() => parts[path]!.dampedSystem(gradients.parameters[path]!, 0.1, -1)),
          );
          const results = await conjugateGradients(systems, cg);
          for (const [i, { path }] of some.entries()) {
            const expected = await solve(
              tf.scoped(() => whole[path]!.dampedSystem(gradients.parameters[path]!, 0.1, -1)),
            );
            expect(results[i]!.reports[0]!.iterations).toBe(expected.iterations);
            await expectClose(systems[i]!.lift(results[i]!.x), expected.step, { rtol: 1e-3, atol: 1e-7 }, path);
            expected.step.dispose();
          }
          systems.forEach((system) => system.dispose());
          tf.dispose(results.map(({ x }) => x));
          [whole, parts].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
        }
        model.dispose();
      }),
    );
  });
});

describeOnEveryBackend('conjugate gradients on an ill-conditioned system', (backend) => {
  const n = isSlow(backend) ? 24 : 60;
  /** Eigenvalues 1e-4 to 1 and one in a million times the largest of b. */
  const spectrum = Array.from({ length: n }, (_, i) => 10 ** (-4 + (4 * i) / (n - 1)));

  /** A = Q diag(spectrum) Q with the reflection Q = I - 2 w w^T, in float64. */
  function matrix(): { rows: number[][]; b: number[] } {
    const raw = Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1));
    const norm = Math.hypot(...raw);
    const w = raw.map((x) => x / norm);
    const q = w.map((wi, i) => w.map((wj, j) => (i === j ? 1 : 0) - 2 * wi * wj));
    const rows = q.map((qi) => q.map((qj) => spectrum.reduce((sum, value, k) => sum + qi[k]! * value * qj[k]!, 0)));
    return { rows, b: q.map((qi) => qi.reduce((sum, x) => sum + x, 0)) };
  }

  /** Counts of float64. */
  function iterationsInDouble({ rows, b }: { rows: number[][]; b: number[] }, tol: number): number {
    const dot = (u: number[], v: number[]): number => u.reduce((sum, x, i) => sum + x * v[i]!, 0);
    let r = b.slice();
    let p = b.slice();
    const kept = [r.map((x) => x / Math.sqrt(dot(r, r)))];
    for (let k = 1; ; k++) {
      const ap = rows.map((row) => dot(row, p));
      const rs = dot(r, r);
      const length = rs / dot(p, ap);
      r = r.map((x, i) => x - length * ap[i]!);
      for (const q of kept) {
        const along = dot(q, r);
        r = r.map((x, i) => x - along * q[i]!);
      }
      const next = dot(r, r);
      if (Math.sqrt(next) < tol * Math.sqrt(dot(b, b))) return k;
      kept.push(r.map((x) => x / Math.sqrt(next)));
      p = r.map((x, i) => x + (next / rs) * p[i]!);
    }
  }

  it('takes as many iterations as exact arithmetic if residuals are kept orthogonal, more if not', async () => {
    await expectNoLeak(() =>
      inScope(async () => {
        const system = matrix();
        const a = tf.keep(tf.tensor2d(system.rows));
        const inDouble = iterationsInDouble(system, 1e-3);
        expect(inDouble).toBeGreaterThan(n / 3);
        const make = (): KrylovSystem => {
          const rhs = tf.keep(tf.tensor2d([system.b]));
          return { rhs, apply: (p) => tf.matMul(p, a), lift: (x) => tf.view(x), dispose: () => rhs.dispose() };
        };
        const options = { tol: 1e-3, atol: 0, maxiter: 200 };
        const orthogonal = await solve(make(), { ...options, reorthogonalize: true });
        expect(Math.abs(orthogonal.iterations - inDouble)).toBeLessThanOrEqual(1);
        const plain = await solve(make(), options);
        expect(plain.iterations).toBeGreaterThan(orthogonal.iterations);
        // A look every few iterations is too late, but changes nothing.
        const seldom = await solve(make(), { ...options, reorthogonalize: true, checkEvery: 4 });
        expect(seldom.iterations).toBe(orthogonal.iterations);
        await expectClose(seldom.step, orthogonal.step, { rtol: 1e-6, atol: 0 });
        tf.dispose([a, orthogonal.step, plain.step, seldom.step]);
      }),
    );
  });

  it('keeps residuals orthogonal in coordinates with an inner product of their own', async () => {
    await inScope(async () => {
      const model = pooledNetwork('sigmoid');
      const pass = passThrough(model);
      const options = { tol: 1e-4, atol: 0, maxiter: 60, reorthogonalize: true };
      const path = '9.weight';
      const gradient = pass.gradients.parameters[path]!;
      const modesHere = isSlow(backend) ? (['zero'] as const) : (['zero', 'abs'] as const);
      for (const secondOrder of modesHere) {
        const gram = productsOf(pass, { secondOrder, planner: new Planner({ route: 'gram' }) });
        const chain = productsOf(pass, { secondOrder, planner: new Planner({ route: 'chain' }) });
        const [one, other] = [
          await solve(
            tf.scoped(() => gram[path]!.dampedSystem(gradient, 1e-3, -1)),
            options,
          ),
          await solve(
            tf.scoped(() => chain[path]!.dampedSystem(gradient, 1e-3, -1)),
            options,
          ),
        ];
        expect(one.iterations).toBe(other.iterations);
        await expectClose(one.step, other.step, { rtol: 2e-3, atol: 1e-6 });
        [gram, chain].forEach((all) => Object.values(all).forEach((operator) => operator.dispose()));
      }
      model.dispose();
    });
  });
});

describe('the choice of a way', () => {
  const convolution = {
    ...{ samples: 1000, rank: 9, features: 4096, parameters: 2304, macs: 2_359_296 },
    ...{ isChosen: true, linear: null, hasRows: true, hasFactor: true },
  };
  const wide = {
    ...{ samples: 1000, rank: 9, features: 512, parameters: 2 ** 20, macs: 2 ** 20 },
    ...{ isChosen: false, linear: { inputs: 2048, outputs: 512 }, hasRows: false, hasFactor: true },
  };

  it('follows the number of products and the memory', () => {
    const costs = costsOf(convolution);
    expect(cheapestRoute(costs, 1, Infinity)).toBe('local');
    expect(cheapestRoute(costs, 40, Infinity)).toBe('rows');
    expect(cheapestRoute(costs, 40, 1e6)).toBe('local');
    const small = costsOf({ ...convolution, parameters: 432, macs: 442_368 });
    expect(cheapestRoute(small, 100, Infinity)).toBe('square');
    expect(cheapestRoute(costsOf(wide), 30, Infinity)).toBe('gram');
    expect(cheapestRoute(costsOf({ ...wide, hasFactor: false }), 1, Infinity)).toBe('chain');
    expect(cheapestRoute(costsOf({ ...wide, hasFactor: false }), 30, Infinity)).toBe('gram');
  });

  it('learns from the step before, and can be forced', () => {
    const planner = new Planner();
    expect(planner.plan('2.weight', convolution).route).toBe('local');
    const report = { iterations: 40, stop: 'converged', converged: true, residualNorm: 0, bound: 1 } as const;
    planner.record({ '2.weight': [report] });
    expect(planner.plan('2.weight', convolution).route).toBe('rows');
    expect(planner.routes).toEqual({ '2.weight': 'rows' });
    const forced = new Planner({ route: 'local' });
    forced.record({ '2.weight': [report] });
    expect(forced.plan('2.weight', convolution)).toMatchObject({ route: 'local', forced: true });
    // A way that a block does not know is left to the model.
    expect(new Planner({ route: 'gram' }).plan('2.weight', convolution).route).toBe('local');
  });
});
