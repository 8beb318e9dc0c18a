import type { ModelSpec, OptimizerSpec } from '../../../src/lab/config/schema.js';
import { flopsOf } from '../../../src/lab/training/estimate.js';
import { tinySpec } from './fixtures.js';

const sizes = { train: 50_000, test: 10_000, shape: [32, 32, 3], classes: 10 } as const;
const sgd = { kind: 'sgd', lr: 0.1, momentum: 0 } as const;

function flops(model: ModelSpec, optimizer: OptimizerSpec, evaluationsPerEpoch = 1): number {
  const all = { trainSamples: Infinity, testSamples: Infinity, epochs: 1 };
  return flopsOf({ ...tinySpec, ...all, model, optimizer, evaluationsPerEpoch }, sizes);
}

// Multiply-adds a sample by hand: kernel area x channels in x channels out x positions, or inputs x outputs.
const mlp = 3072 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 32 + 32 * 16 + 160;
const c4d3 = 9 * (3 * 16 + 16 * 16) * 32 ** 2 + 9 * (16 * 32 + 32 * 32) * 16 ** 2 + 2048 * 512 + 512 * 64 + 64 * 10;
const c3d3 = 25 * 3 * 64 * 28 ** 2 + 9 * 64 * 96 * 12 ** 2 + 9 * 96 * 128 * 6 ** 2 + 1152 * 512 + 512 * 256 + 256 * 10;

test.each<[ModelSpec, number]>([
  ['mlp-cifar10', mlp],
  ['c4d3', c4d3],
  [{ network: 'c4d3', activation: 'relu' }, c4d3],
  ['3c3d', c3d3],
  [{ hidden: [5, 4], activation: 'tanh' }, 3072 * 5 + 20 + 40],
])('%j: 6 FLOP a sample and multiply-add for an update, 2 for an evaluation', (model, multiplyAdds) => {
  expect(flops(model, sgd, 3)).toBeCloseTo(multiplyAdds * (6 * 50_000 + 3 * 2 * 20_000), -3);
});

test('the dearer the curvature, the longer', () => {
  const newton = { ...tinySpec.optimizer, kind: 'cg-newton' } as Extract<OptimizerSpec, { kind: 'cg-newton' }>;
  const forecasts = [
    flops('c4d3', sgd),
    flops('c4d3', newton),
    flops('c4d3', { ...newton, curvature: 'cvp', secondOrder: 'zero' }),
    flops('c4d3', { ...newton, curvature: 'cvp', secondOrder: 'abs' }),
  ];
  expect(forecasts).toEqual([...forecasts].sort((a, b) => a - b));
  expect(new Set(forecasts).size).toBe(4);
});
