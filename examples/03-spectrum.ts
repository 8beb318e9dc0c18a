/** The eigenvalues of one block of the Hessian and of the GGN: estimates from products, next to the exact values. */
import {
  backpropagate,
  CrossEntropy,
  curvatureProducts,
  eigenvalues,
  extremalEigenvalues,
  hutchinsonTrace,
  type LinearOperator,
  lossHessian,
  mlp,
  spectralDensity,
} from 'hbp';
import { seededStreams } from '../dist/lab/random.js';
import { batchesOf, syntheticCifar10 } from './data.js';
import { say, start } from './options.js';
import { plot } from './plot.js';

const { quick, out } = await start('Spectrum of a block of the curvature of an MLP on generated pictures');
const random = seededStreams(1);
const model = mlp({ input: 3072, hidden: [64, quick ? 4 : 8], output: 10 }, 'sigmoid', random.init);
const block = '3.weight'; // [4 or 8, 64]: small enough for the exact eigenvalues too

const batch = [...batchesOf(await syntheticCifar10(200), 200, random.shuffle)][0]!;
const trace = model.forward(batch.inputs);
const loss = new CrossEntropy();
const { saved } = loss.forward(trace.output, batch.labels);
const gradients = backpropagate(model, trace, loss.gradient(saved));

const curves = [];
for (const [label, secondOrder] of [
  ['Hessian', 'none'],
  ['GGN', 'zero'],
] as const) {
  const operators = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
  curves.push(await spectrumOf(label, operators[block]!));
  for (const operator of Object.values(operators)) operator.dispose();
}

await plot(out, '03-spectrum', {
  title: `Eigenvalues of block ${block}: density (line), exact values (ticks)`,
  hconcat: curves.map(({ label, density, exact }) => ({
    layer: [
      {
        data: { values: density },
        mark: { type: 'line', clip: true },
        encoding: {
          x: { field: 'eigenvalue', type: 'quantitative', title: `eigenvalue of the ${label}`, axis: { tickCount: 5 } },
          y: {
            field: 'density',
            type: 'quantitative',
            scale: { type: 'log', domainMin: Math.max(...density.map((point) => point.density)) / 1e5, clamp: false },
          },
        },
      },
      {
        data: { values: exact.map((eigenvalue) => ({ eigenvalue })) },
        mark: { type: 'tick', color: 'black', thickness: 1, opacity: 0.4, yOffset: 6 },
        encoding: { x: { field: 'eigenvalue', type: 'quantitative' }, y: { value: 'height' } },
      },
    ],
    width: 300,
    height: 220,
  })),
});

async function spectrumOf(label: string, operator: LinearOperator) {
  const { smallest, largest } = await extremalEigenvalues(operator, { steps: quick ? 20 : 40, random: random.subset });
  const trace = await hutchinsonTrace(operator, { samples: quick ? 50 : 200, random: random.subset });
  const exact = await eigenvalues(operator);
  const measure = await spectralDensity(operator, { steps: 20, probes: quick ? 3 : 10, random: random.subset });
  const digits = (value: number): string => value.toExponential(4);
  say(`${label} of block ${block} [${operator.shape.join(', ')}]`);
  for (const [end, ritz, value] of [
    ['smallest', smallest, exact[0]!],
    ['largest', largest, exact.at(-1)!],
  ] as const) {
    say(`  ${end} eigenvalue: ${digits(ritz.value)} by Lanczos, exact ${digits(value)}`);
  }
  const sum = exact.reduce((a, b) => a + b);
  say(`  trace: ${digits(trace.estimate)} +- ${digits(trace.standardError)} by Hutchinson, exact ${digits(sum)}`);
  const density = measure.grid.map((eigenvalue, i) => ({ eigenvalue, density: Math.max(measure.density[i]!, 1e-30) }));
  return { label, density, exact };
}
