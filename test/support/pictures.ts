/** Convolution and pooling as plain loops in float64: the slow twins of the engine's. */
import type { WindowOptions } from '../../src/engine/nn/window.js';

export type Shape4 = [number, number, number, number];
type Sides = [top: number, bottom: number, left: number, right: number];

export interface Geometry {
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  padding: 'same' | Sides;
}

export function windowOptions({ kernel, stride, dilation, padding }: Geometry): WindowOptions {
  return { kernel, stride, dilation, padding };
}

interface Placed extends Geometry {
  padding: Sides;
  output: [number, number];
}

export function placed(geometry: Geometry, [height, width]: [number, number]): Placed {
  const axis = (length: number, i: 0 | 1): [number, number, number] => {
    const extent = (geometry.kernel[i] - 1) * geometry.dilation[i] + 1;
    const stride = geometry.stride[i];
    if (geometry.padding === 'same') {
      const output = Math.ceil(length / stride);
      const total = Math.max((output - 1) * stride + extent - length, 0);
      return [output, Math.floor(total / 2), total - Math.floor(total / 2)];
    }
    const [before, after] = [geometry.padding[2 * i]!, geometry.padding[2 * i + 1]!];
    return [Math.floor((length + before + after - extent) / stride) + 1, before, after];
  };
  const [rows, top, bottom] = axis(height, 0);
  const [columns, left, right] = axis(width, 1);
  return { ...geometry, padding: [top, bottom, left, right], output: [rows, columns] };
}

/** The cells of each window that lie within the picture, and how many there are with those outside. */
function reduceWindows(
  x: number[],
  [samples, height, width, channels]: Shape4,
  geometry: Geometry,
  reduce: (cells: number[], all: number) => number,
): number[] {
  const { kernel, stride, dilation, padding, output } = placed(geometry, [height, width]);
  const result: number[] = [];
  for (let n = 0; n < samples; n++)
    for (let p = 0; p < output[0]; p++)
      for (let q = 0; q < output[1]; q++)
        for (let c = 0; c < channels; c++) {
          const cells: number[] = [];
          for (let u = 0; u < kernel[0]; u++)
            for (let v = 0; v < kernel[1]; v++) {
              const row = p * stride[0] + u * dilation[0] - padding[0];
              const column = q * stride[1] + v * dilation[1] - padding[2];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              cells.push(x[((n * height + row) * width + column) * channels + c]!);
            }
          result.push(reduce(cells, kernel[0] * kernel[1]));
        }
  return result;
}

export function maxPool(x: number[], shape: Shape4, geometry: Geometry): number[] {
  return reduceWindows(x, shape, geometry, (cells) => Math.max(...cells));
}

export function avgPool(x: number[], shape: Shape4, geometry: Geometry): number[] {
  return reduceWindows(x, shape, geometry, (cells, all) => cells.reduce((a, b) => a + b, 0) / all);
}

/** x [N, H, W, C] with weight [kh, kw, C / groups, out] and bias [out]. */
export function convolution(
  x: number[],
  [samples, height, width, channels]: Shape4,
  weight: number[],
  bias: number[],
  groups: number,
  geometry: Geometry,
): number[] {
  const { kernel, stride, dilation, padding, output } = placed(geometry, [height, width]);
  const [seen, outputs] = [channels / groups, bias.length];
  const result: number[] = [];
  for (let n = 0; n < samples; n++)
    for (let p = 0; p < output[0]; p++)
      for (let q = 0; q < output[1]; q++)
        for (let o = 0; o < outputs; o++) {
          const group = Math.floor(o / (outputs / groups));
          let sum = bias[o]!;
          for (let u = 0; u < kernel[0]; u++)
            for (let v = 0; v < kernel[1]; v++)
              for (let c = 0; c < seen; c++) {
                const row = p * stride[0] + u * dilation[0] - padding[0];
                const column = q * stride[1] + v * dilation[1] - padding[2];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                const pixel = x[((n * height + row) * width + column) * channels + group * seen + c]!;
                sum += pixel * weight[((u * kernel[1] + v) * seen + c) * outputs + o]!;
              }
          result.push(sum);
        }
  return result;
}
