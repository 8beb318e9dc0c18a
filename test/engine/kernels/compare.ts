import type { Numbers, Tolerance } from './case.js';

const relative = 1e-5;
const relativeToTerms = 2e-6;
const smallestNormal = 1.1754944e-38;
const largestFloat = 3.4028235e38;

/**
 * Compare a result with the reference.
 *
 * @param termScale  for the tolerance `sum`: the largest value that the kernel gives for absolute values; asked if needed
 * @returns the first difference in words, or undefined
 */
export function difference(
  got: Numbers,
  want: Numbers,
  tolerance: Tolerance,
  termScale: () => number,
): string | undefined {
  if (got.shape.join() !== want.shape.join()) return `shape [${got.shape.join()}], not [${want.shape.join()}]`;
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, not ${want.dtype}`;
  if (got.values.length !== want.values.length) return `${got.values.length} values for shape [${got.shape.join()}]`;
  const exact = want.dtype !== 'float32' || tolerance === 'exact';
  const bound = exact || tolerance === 'each' ? 0 : relative * largest(want);
  const beyond = (limit: number): number =>
    want.values.findIndex(
      (w, i) => !agrees(got.values[i]!, w, exact, Math.max(limit, exact ? 0 : relative * Math.abs(w))),
    );
  let at = beyond(bound);
  if (at >= 0 && tolerance === 'sum' && !exact) at = beyond(Math.max(bound, relativeToTerms * termScale()));
  return at < 0 ? undefined : `element ${at} is ${got.values[at]}, not ${want.values[at]}`;
}

/** Largest finite magnitude. */
export function largest({ values }: Numbers): number {
  let max = 0;
  for (const value of values) if (Math.abs(value) > max && Number.isFinite(value)) max = Math.abs(value);
  return max;
}

function agrees(got: number, want: number, exact: boolean, bound: number): boolean {
  if (Number.isNaN(want) || Number.isNaN(got)) return Number.isNaN(want) && Number.isNaN(got);
  if (got === want) return true;
  if (exact) return false;
  if (!Number.isFinite(want) || !Number.isFinite(got)) {
    // A rounding away from the largest number is an infinity.
    return want * got > 0 && Math.min(Math.abs(want), Math.abs(got)) >= largestFloat * (1 - relative);
  }
  if (Math.abs(want) < smallestNormal && Math.abs(got) <= smallestNormal) return true;
  return Math.abs(got - want) <= bound;
}
