import type * as tf from '../../src/engine/tf.js';
import { type GoldenTensor, type Tolerance, valuesOf } from '../support/golden.js';

/** A number, a list or a tensor that came out, or that should. */
export type Numbers = tf.Tensor | GoldenTensor | readonly number[] | number;
/** What the files write where the reference has NaN. */
const notANumber = 'nan';

export interface Worst {
  readonly what: string;
  /** max|got - expected| / max|expected|, or the plain difference where nothing but zeros is expected. */
  readonly error: number;
  /** The error as a part of what is allowed. */
  readonly share: number;
}

/** What one case comes to: compares, keeps the worst error and every failure. */
export class Comparison {
  worst: Worst = { what: 'nothing', error: 0, share: 0 };
  readonly failures: string[] = [];
  /** What is different from the file on purpose. */
  readonly notes: string[] = [];
  compared = 0;

  constructor(readonly tolerance: Tolerance) {}

  /**
   * max|got - expected| <= atol + rtol * scale
   *
   * @param scale  the largest entry of `expected` if absent
   */
  async close(what: string, got: Numbers, expected: Numbers | typeof notANumber, scale?: number): Promise<void> {
    if (expected === notANumber) {
      this.notes.push(`${what}: NaN in the reference, not compared`);
      return;
    }
    const [values, wanted] = [await listOf(got), await listOf(expected)];
    this.compared++;
    if (values.length !== wanted.length) {
      this.failures.push(`${what}: ${values.length} numbers instead of ${wanted.length}`);
      return;
    }
    const difference = largest(wanted.map((w, i) => values[i]! - w));
    const size = scale ?? largest(wanted);
    const limit = this.tolerance.atol + this.tolerance.rtol * size;
    const error = size > 0 ? difference / size : difference;
    const share = difference / limit;
    if (share > this.worst.share) this.worst = { what, error, share };
    if (!(difference <= limit)) this.failures.push(`${what}: off by ${error.toExponential(1)}`);
  }

  /** Counts, flags and texts. */
  equal(what: string, got: unknown, expected: unknown): void {
    this.compared++;
    if (JSON.stringify(got) === JSON.stringify(expected)) return;
    this.failures.push(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  }

  /** Fail if `object` has keys that nobody compares. */
  onlyKeys(what: string, object: object, known: readonly string[]): void {
    for (const key of Object.keys(object)) {
      if (!known.includes(key)) this.failures.push(`${what}.${key}: this runner does not know it`);
    }
  }
}

function listOf(x: Numbers): readonly number[] | Promise<readonly number[]> {
  return typeof x === 'number' ? [x] : valuesOf(x);
}

/** The largest magnitude; infinite if one is NaN. */
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Number.isNaN(value) ? Infinity : Math.abs(value)), 0);
}

export function norm(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
