/**
 * The one source of randomness of a run. A seed opens a xoroshiro128+ sequence; each purpose gets a stretch of it that
 * starts 2^64 draws after the one before, so that drawing more for one purpose never moves the numbers of another.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  readonly uniform: () => number;
  /** Uniform in 0 .. n - 1, without bias. */
  readonly int: (n: number) => number;
  /** Where the sequence stands, for `randomAt`. */
  readonly getState: () => readonly number[];
}

/** What a training run draws for. */
export interface SeededStreams {
  /** Initial parameters. */
  readonly init: Random;
  /** Order of the training samples. */
  readonly shuffle: Random;
  /** Training samples that an evaluation looks at. */
  readonly subset: Random;
}

/** Independent streams for a seed (an integer; its low 32 bits count). Equal seeds give equal streams. */
export function seededStreams(seed: number): SeededStreams {
  const sequence = xoroshiro128plus(seed);
  // The jump comes first: it also scatters the nearly equal starting states of neighbouring seeds.
  const next = (): Random => {
    sequence.jump();
    return randomOf(sequence.clone());
  };
  return { init: next(), shuffle: next(), subset: next() };
}

/** A stream that goes on where another one stood. */
export function randomAt(state: readonly number[]): Random {
  return randomOf(xoroshiro128plusFromState(state));
}

/** The distributions of this file on a generator of pure-rand, which they advance. */
export function randomOf(generator: RandomGenerator): Random {
  return {
    uniform: () => uniformFloat64(generator),
    int: (n) => uniformInt(generator, 0, n - 1),
    getState: () => generator.getState(),
  };
}
