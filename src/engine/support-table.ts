import { AvgPool2d } from './nn/avg-pool2d.js';
import { BceWithLogits } from './nn/bce-with-logits.js';
import { Conv2d } from './nn/conv2d.js';
import { CrossEntropy } from './nn/cross-entropy.js';
import { Dropout } from './nn/dropout.js';
import { Elementwise } from './nn/elementwise.js';
import { Elu } from './nn/elu.js';
import { Flatten } from './nn/flatten.js';
import type { Layer, LayerKind } from './nn/layer.js';
import { LeakyRelu } from './nn/leaky-relu.js';
import { Linear } from './nn/linear.js';
import { LogSigmoid } from './nn/log-sigmoid.js';
import type { Loss } from './nn/loss.js';
import { MaxPool2d } from './nn/max-pool2d.js';
import { Mse } from './nn/mse.js';
import { Relu } from './nn/relu.js';
import { Selu } from './nn/selu.js';
import { Sigmoid } from './nn/sigmoid.js';
import { Softplus } from './nn/softplus.js';
import { Tanh } from './nn/tanh.js';
import { ZeroPad2d } from './nn/zero-pad2d.js';
import { nearestSupported, quantities, type Quantity, supportOf } from './support.js';
import * as tf from './tf.js';

/** Stands for activations of the user's own. */
class Square extends Elementwise<{ readonly input: tf.Tensor }> {
  override forward(input: tf.Tensor): { output: tf.Tensor; saved: { input: tf.Tensor } } {
    return { output: tf.square(input), saved: { input } };
  }

  override derivative({ input }: { readonly input: tf.Tensor }): tf.Tensor {
    return tf.mul(2, input);
  }

  override secondOrder(_saved: { readonly input: tf.Tensor }, g: tf.Tensor): tf.Tensor {
    return tf.mul(2, g);
  }
}

/** One small layer of every kind, and those that differ within a kind. On inputs [N, 4, 4, 2]; `linear` on [N, 32]. */
export const exampleLayers = {
  linear: () => new Linear(tf.ones([3, 32]), tf.zeros([3])),
  conv2d: () => new Conv2d(tf.ones([2, 2, 2, 2]), tf.zeros([2])),
  'conv2d in groups': () => new Conv2d(tf.ones([2, 2, 1, 2]), tf.zeros([2]), { groups: 2 }),
  'max-pool2d': () => new MaxPool2d({ kernel: 2 }),
  'avg-pool2d': () => new AvgPool2d({ kernel: 2 }),
  'zero-pad2d': () => new ZeroPad2d(1),
  flatten: () => new Flatten(),
  dropout: () => new Dropout(0.5),
  sigmoid: () => new Sigmoid(),
  tanh: () => new Tanh(),
  relu: () => new Relu(),
  'leaky-relu': () => new LeakyRelu(),
  elu: () => new Elu(),
  selu: () => new Selu(),
  softplus: () => new Softplus(),
  'log-sigmoid': () => new LogSigmoid(),
  elementwise: () => new Square(),
} satisfies Record<LayerKind | 'conv2d in groups', () => Layer>;

export const exampleLosses = {
  'cross-entropy': new CrossEntropy(),
  mse: new Mse(),
  'bce-with-logits': new BceWithLogits(),
} satisfies Record<string, Loss>;

/** Which computation each derivative of a loss is for. */
export const lossQuantities = {
  gradient: 'gradient',
  averagedHessian: 'HBP',
  hessianVp: 'CVP',
  factor: 'KFLR, GGN diagonal',
  sampledFactor: 'KFAC',
} satisfies Record<Exclude<keyof Loss, 'forward'>, string>;

export interface SupportTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Layers by quantities: "yes", "-" (nothing to compute) or "no"; and a line for every "no". */
export function layerSupport(): SupportTable & { readonly refusals: readonly string[] } {
  const names = Object.keys(quantities) as Quantity[];
  const refusals: string[] = [];
  const rows = Object.entries<() => Layer>(exampleLayers).map(([row, make]) => {
    const layer = make();
    const cells = names.map((quantity) => {
      const support = supportOf(layer, quantity);
      if (typeof support === 'string') return support === 'yes' ? 'yes' : '-';
      const nearest = nearestSupported(layer, quantity);
      const advice = nearest ? `; use ${quantities[nearest].title}` : '';
      refusals.push(`${row}, ${quantities[quantity].title}: ${support.refused}${advice}`);
      return 'no';
    });
    layer.parameters.forEach((parameter) => parameter.dispose());
    return [row, ...cells];
  });
  return { head: ['layer', ...names.map((name) => quantities[name].title)], rows, refusals };
}

/** Losses by what their derivatives are for: one contract, which every loss fulfils as a whole. */
export function lossSupport(): SupportTable {
  const titles = Object.values(lossQuantities);
  return {
    head: ['loss', ...titles],
    rows: Object.keys(exampleLosses).map((name) => [name, ...titles.map(() => 'yes')]),
  };
}

/** Both tables as Markdown. */
export function supportDocument(): string {
  const layers = layerSupport();
  return [
    '# What works with what',
    'Made by `scripts/generate-support.js`, do not edit; `hbp doctor --support` prints the same. A dash: there is nothing' +
      ' to compute, since the layer has no parameters or is no activation. The second-order terms of piecewise linear' +
      ' activations are zero.',
    '## Layers',
    markdownTable(layers),
    layers.refusals.map((refusal) => `- ${refusal}`).join('\n'),
    '## Losses',
    markdownTable(lossSupport()),
  ]
    .join('\n\n')
    .concat('\n');
}

/** Columns are filled up with spaces, as prettier has them. */
function markdownTable({ head, rows }: SupportTable): string {
  const widths = head.map((title, column) =>
    Math.max(3, ...[head, ...rows].map((row) => row[column]!.length), title.length),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
