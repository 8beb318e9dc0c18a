import type * as fc from 'fast-check';
import { integer } from 'fast-check';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Input, Values, View } from './case.js';

// Globals are slow to look up in a module that jest runs.
const { PI, ceil, cos, floor, log, sqrt } = Math;

/** Beyond the sizes at which backends start to share work among threads. */
const largeSize = 300_000;
/** Most elements of a tensor of an ordinary case. */
const ordinarySize = 4_000;

/** Numbers strewn among normal ones in some of the cases, by what the kernel can take. */
const odd = {
  /** Elementwise kernels: everything. */
  any: [NaN, Infinity, -Infinity, 0, -0, 1e-40, -1e-40, 1e-30, -1e-20, 3e38, -3e38, 1e10, -1e10, 0.5, -2.5],
  /** Sums: nothing whose partial sums or squares overflow in one order and not in another. */
  sum: [NaN, Infinity, -Infinity, 0, -0, 1e-40, 1e15, -1e15],
  /** Numbers that have an order; whether the largest of a window with a NaN is NaN, the backends disagree. */
  ordered: [Infinity, -Infinity, 0, -0, 1e-40, -1e-40, 3e38, -3e38],
  finite: [0, -0, 1e-40, -1e-40, 1e-30, 3e38, -3e38, 0.5, -2.5],
  moderate: [0, -0, 1e-40, -1e-40, 100, -100],
} as const;
export type Oddities = keyof typeof odd;

export interface ShapeOptions {
  readonly min?: number;
  readonly max?: number;
  /** Whether axes may be of size 0. */
  readonly empty?: boolean;
}

/** What the generators of the table draw from; fast-check remembers the integers and shrinks a failing case. */
export class Draw {
  constructor(
    private readonly generate: fc.GeneratorValue,
    /** Whether this is one of the few cases of largeSize elements. */
    readonly large: boolean,
  ) {}

  int(min: number, max: number): number {
    return min === max ? min : this.generate(integer, { min, max });
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  flag(): boolean {
    return this.int(0, 1) === 1;
  }

  /** One time in n. */
  rarely(n: number): boolean {
    return this.int(1, n) === n;
  }

  /** A permutation of 0 .. n - 1. */
  permutation(n: number): number[] {
    const items = Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const j = this.int(i, n - 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }

  /** Some of 0 .. n - 1, ascending. */
  subset(n: number): number[] {
    return Array.from({ length: n }, (_, i) => i).filter(() => this.flag());
  }

  /** The size of an axis: often 1, sometimes 0. */
  size(empty = true): number {
    const size = this.pick([1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 0]);
    return size === 0 && (!empty || this.rarely(2)) ? 1 : size;
  }

  shape({ min = 0, max = 4, empty = true }: ShapeOptions = {}): number[] {
    const rank = this.int(this.large ? Math.max(min, 1) : min, max);
    if (this.large) {
      const shape = Array.from({ length: rank }, () => this.int(1, 5));
      const axis = this.int(0, rank - 1);
      const rest = shape.reduce((a, b) => a * b, 1) / shape[axis]!;
      shape[axis] = ceil(largeSize / rest) + this.int(0, 40);
      return shape;
    }
    let elements = 1;
    return Array.from({ length: rank }, () => {
      const size = this.size(empty);
      if (elements * size > ordinarySize) return 1;
      elements *= Math.max(size, 1);
      return size;
    });
  }

  /** `count` shapes that broadcast with one another. */
  broadcastShapes(count: number, options?: ShapeOptions): number[][] {
    const full = this.shape(options);
    return Array.from({ length: count }, () => this.narrowed(full));
  }

  /** A shape that broadcasts to `full`, half of the time itself. */
  narrowed(full: readonly number[]): number[] {
    const how = this.int(0, 3);
    const shape = full.slice(how < 2 ? 0 : this.int(0, full.length));
    return how < 3 ? shape : shape.map((size) => (this.flag() ? 1 : size));
  }

  /** Mostly normal numbers; in some of the cases small integers (ties), or odd ones among the normal ones. */
  float(shape: readonly number[], oddities: Oddities = 'any', scale = 1): Input {
    const kind = this.pick(['integer', 'normal', 'normal', 'odd'] as const);
    return this.input(shape, 'float32', (n, uniform) => {
      const values = new Float32Array(n);
      const strewn = odd[oddities];
      for (let i = 0; i < n; i++) {
        values[i] =
          kind === 'integer'
            ? floor(uniform() * 5) - 2
            : kind === 'odd' && uniform() < 0.3
              ? strewn[floor(uniform() * strewn.length)]!
              : scale * sqrt(-2 * log(1 - uniform())) * cos(2 * PI * uniform());
      }
      return values;
    });
  }

  /** Uniform numbers in [from, to). */
  uniform(shape: readonly number[], from: number, to: number): Input {
    return this.input(shape, 'float32', (n, uniform) =>
      filled(new Float32Array(n), () => from + (to - from) * uniform()),
    );
  }

  /** Uniform integers in from .. to. */
  int32(shape: readonly number[], from = -1000, to = 1000): Input {
    return this.input(shape, 'int32', (n, uniform) =>
      filled(new Int32Array(n), () => from + floor((to - from + 1) * uniform())),
    );
  }

  bool(shape: readonly number[]): Input {
    return this.input(shape, 'bool', (n, uniform) => filled(new Uint8Array(n), () => (uniform() < 0.6 ? 1 : 0)));
  }

  /** Any of the three types. */
  tensor(shape: readonly number[]): Input {
    const dtype = this.pick(['float32', 'float32', 'int32', 'bool'] as const);
    return dtype === 'float32' ? this.float(shape) : dtype === 'int32' ? this.int32(shape) : this.bool(shape);
  }

  private input(
    shape: readonly number[],
    dtype: Input['dtype'],
    fill: (n: number, uniform: () => number) => Values,
  ): Input {
    const view = this.pick<View>(['plain', 'plain', 'plain', 'reshaped', 'sliced']);
    const generator = xoroshiro128plus(this.int(0, 0x7fffffff));
    generator.jump();
    const n = shape.reduce((a, b) => a * b, 1);
    return { shape, dtype, values: fill(n, () => (generator.next() >>> 0) / 2 ** 32), view };
  }
}

function filled<T extends Values>(values: T, next: () => number): T {
  for (let i = 0; i < values.length; i++) values[i] = next();
  return values;
}
