/** Axes and colours for numbers of both signs over many magnitudes: linear about zero, logarithmic beyond. */
import { scale } from 'vega';

export interface Symlog {
  /** Where it turns from linear to logarithmic. */
  readonly constant: number;
  /** Largest magnitude that has a place. */
  readonly most: number;
}

/**
 * A scale for these values, at most `decades` of magnitudes beside zero.
 *
 * @param most  what is beyond is held at the end; absent: nothing is
 */
export function symlogFor(values: Iterable<number>, decades: number, most?: number): Symlog {
  let [largest, least] = [0, Infinity];
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (magnitude === 0 || !Number.isFinite(magnitude)) continue;
    largest = Math.max(largest, magnitude);
    least = Math.min(least, magnitude);
  }
  // Nothing but zeros still needs a scale to be on.
  const end = (most ?? largest) || 1;
  return { most: end, constant: Math.min(end, Math.max(end / 10 ** decades, least === Infinity ? 0 : least)) };
}

/** Place of a value on the scale, -1 to 1; zero is at 0. */
export function placeOn({ constant, most }: Symlog, value: number): number {
  const place = Math.log1p(Math.min(Math.abs(value), most) / constant) / Math.log1p(most / constant);
  return Math.sign(value) * place;
}

/**
 * Zero and powers of ten of both signs within the ends, those that have room beside zero, at most `count` a sign; evenly
 * spaced numbers where there is no more than one power.
 *
 * @param room  place on the scale of the least power
 */
export function symlogTicks(symlog: Symlog, ends: readonly [number, number], count = 4, room = 0.12): number[] {
  const last = Math.floor(Math.log10(symlog.most) + 1e-9);
  let first = Math.floor(Math.log10(symlog.constant));
  while (placeOn(symlog, 10 ** first) < room) first++;
  if (last <= first) return (scale('linear') as () => LinearScale)().domain(ends).ticks(count);
  const step = Math.max(1, Math.ceil((last - first + 1) / count));
  const powers: number[] = [];
  for (let k = last; k >= first; k -= step) powers.push(Number(`1e${k}`));
  const ticks = [...powers.map((power) => -power), 0, ...powers.toReversed()];
  return ticks.filter((tick) => tick >= ends[0] && tick <= ends[1]);
}

interface LinearScale {
  domain(ends: readonly number[]): LinearScale;
  ticks(count: number): number[];
}

/** Vega's expression for the labels of such ticks: 0, 0.1, 1e-3. */
export const symlogLabel = [
  "datum.value == 0 || abs(datum.value) >= 0.01 && abs(datum.value) < 10000 ? format(datum.value, '.4~g')",
  "replace(format(datum.value, '.0e'), '+', '')",
].join(' : ');

/** The value that a fraction of all magnitudes lie below. */
export function percentile(values: Float32Array, fraction: number): number {
  const magnitudes = values.map(Math.abs).sort();
  return magnitudes[Math.min(magnitudes.length - 1, Math.floor(fraction * magnitudes.length))] ?? 0;
}
