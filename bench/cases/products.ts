/** Matrix products and convolutions, as the layers call them. */
import * as tf from '../../dist/engine/tf.js';
import { convolve, convolveTransposed, correlate } from '../../dist/engine/nn/convolution.js';
import { placeWindow, windowOf } from '../../dist/engine/nn/window.js';
import { type Bound, type KernelCase, operand, type RawCall, type Scale } from './kernel-case.js';

/** What `peak` in peers/raw.cc does in a call, on each thread. */
const peakFlop = 2 * 2 ** 26;
const peak = (threads: number): RawCall => ({ name: 'peak', request: 'peak', work: peakFlop * threads });
const ofRaw = (of: string): Bound => ({ of, kind: 'at least', bound: 0.85 });
const ofPeak: Bound = { of: 'peak', kind: 'at least', bound: 0.7 };

export function productCases(scale: Scale): KernelCase[] {
  return [...matrixProducts(scale), ...convolutions(scale)];
}

/** Side lengths of op(A) [m, k] times op(B) [k, n]. */
type Product = readonly [name: string, m: number, k: number, n: number, transposeA: boolean, transposeB: boolean];

const products: readonly Product[] = [
  ['A B', 1024, 1024, 1024, false, false],
  ['A B', 500, 3072, 1024, false, false],
  ['A B^T (forward)', 500, 3072, 1024, false, true],
  ['A B (input gradient)', 500, 1024, 3072, false, false],
  ['A^T B (weight gradient)', 1024, 500, 3072, true, false],
];

function matrixProducts({ shrink, threads }: Scale): KernelCase[] {
  return products.map(([name, ...rest]) => {
    const [m, k, n] = rest.slice(0, 3).map((side) => Math.ceil((side as number) / shrink)) as [number, number, number];
    const [, , , transposeA, transposeB] = rest;
    const work = 2 * m * n * k;
    const request = ['sgemm', Number(transposeA), Number(transposeB), m, n, k].join(' ');
    return {
      section: 'products',
      name: `matMul ${m} x ${k} x ${n}, ${name}`,
      work,
      raw: [{ name: 'dnnl_sgemm', request, work }, peak(threads)],
      bounds: [ofRaw('dnnl_sgemm'), ofPeak],
      prepare: () => {
        const a = operand(transposeA ? [k, m] : [m, k]);
        const b = operand(transposeB ? [n, k] : [k, n]);
        return { operands: [a, b], call: () => tf.matMul(a, b, transposeA, transposeB) };
      },
    };
  });
}

/** The convolutions of the network c4d3: 3x3, padding 1. */
const layers = [
  { side: 32, from: 3, to: 16 },
  { side: 32, from: 16, to: 16 },
  { side: 16, from: 16, to: 32 },
  { side: 16, from: 32, to: 32 },
] as const;
const directions = { forward: 'forward', data: 'backward data', weights: 'backward weights' } as const;

function convolutions({ batch, threads }: Scale): KernelCase[] {
  return layers.flatMap(({ side, from, to }, layer) =>
    (['forward', 'data', 'weights'] as const).map((direction): KernelCase => {
      const work = 2 * batch * side * side * 9 * from * to;
      const request = ['conv', direction, batch, side, side, from, to].join(' ');
      return {
        section: 'products',
        name: `conv2d ${batch} x ${side} x ${side}, ${from} -> ${to}, ${directions[direction]}`,
        work,
        raw: [
          { name: 'oneDNN', request: `${request} once`, work },
          { name: 'oneDNN with reorder', request: `${request} each`, work },
          peak(threads),
        ],
        bounds: layer === 0 ? [ofRaw('oneDNN')] : [ofRaw('oneDNN'), ofPeak],
        prepare: () => {
          const x = operand([batch, side, side, from]);
          const dy = operand([batch, side, side, to]);
          const weight = operand([3, 3, from, to]);
          const placement = placeWindow(windowOf({ kernel: 3, padding: 1 }), [side, side]);
          const call = {
            forward: () => convolve(x, weight, placement),
            data: () => convolveTransposed(dy, weight, placement),
            weights: () => correlate(x, dy, placement),
          }[direction];
          return { operands: [x, dy, weight], call };
        },
      };
    }),
  );
}
