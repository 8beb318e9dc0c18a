import type { Numbers, Tolerance, Values } from './case.js';

// Globals are slow to look up in a module that jest runs.
const { abs, max, min } = Math;
const { isFinite, isNaN } = Number;

const relative = 1e-5;
const relativeToTerms = 2e-6;
const smallestNormal = 1.1754944e-38;
const largestFloat = 3.4028235e38;

/**
 * Compare a result with the reference.
 *
 * @param termScale  for the tolerance `sum`: the largest value that the kernel gives for absolute values; asked if needed
 * @param slack  an absolute difference that is accepted besides
 * @returns the first difference in words, or undefined
 */
export function difference(
  got: Numbers,
  want: Numbers,
  tolerance: Tolerance,
  termScale: () => number,
  slack = 0,
): string | undefined {
  if (got.shape.join() !== want.shape.join()) return `shape [${got.shape.join()}], not [${want.shape.join()}]`;
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, not ${want.dtype}`;
  if (got.values.length !== want.values.length) return `${got.values.length} values for shape [${got.shape.join()}]`;
  const exact = want.dtype !== 'float32' || tolerance === 'exact';
  const bound = exact ? 0 : max(slack, tolerance === 'sum' ? relative * largest(want) : 0);
  let at = firstBeyond(got.values, want.values, exact ? 0 : relative, bound);
  if (at >= 0 && tolerance === 'sum' && !exact) {
    at = firstBeyond(got.values, want.values, relative, max(bound, relativeToTerms * termScale()));
  }
  return at < 0 ? undefined : `element ${at} is ${got.values[at]}, not ${want.values[at]}`;
}

/** Where two arrays differ by more than both bounds, or -1. */
function firstBeyond(got: Values, want: Values, relativeBound: number, bound: number): number {
  for (let i = 0; i < want.length; i++) {
    const w = want[i]!;
    if (got[i] === w) continue;
    if (!agrees(got[i]!, w, relativeBound, max(bound, relativeBound * abs(w)))) return i;
  }
  return -1;
}

/** Largest finite magnitude. */
export function largest({ values }: Numbers): number {
  let max = 0;
  for (const value of values) if (abs(value) > max && isFinite(value)) max = abs(value);
  return max;
}

function agrees(got: number, want: number, relativeBound: number, bound: number): boolean {
  if (isNaN(want) || isNaN(got)) return isNaN(want) && isNaN(got);
  if (relativeBound === 0) return false;
  if (!isFinite(want) || !isFinite(got)) {
    // A rounding away from the largest number is an infinity.
    return want * got > 0 && min(abs(want), abs(got)) >= largestFloat * (1 - relative);
  }
  if (abs(want) < smallestNormal && abs(got) <= smallestNormal) return true;
  return abs(got - want) <= bound;
}
