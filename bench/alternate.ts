/** Repetitions of several contestants in turn: A B C A B C, so that a slow minute of the machine hits all alike. */
import { setTimeout as wait } from 'node:timers/promises';

/** Somebody whose calls are timed. */
export interface Contestant {
  /** Do it once without a clock, then `calls` times. @returns seconds a call */
  readonly repeat: (calls: number) => Promise<number>;
}

export interface Effort {
  readonly repetitions: number;
  /** A repetition calls as often as fills this many seconds. */
  readonly seconds: number;
}

const warmUps = 2;
const mostCalls = 10_000;
/** Between contestants: idle OpenMP threads spin for a few milliseconds after their last work. */
const pauseMilliseconds = 20;

/** @returns for each contestant the seconds a call, one value a repetition */
export async function alternate(contestants: readonly Contestant[], effort: Effort): Promise<number[][]> {
  const calls: number[] = [];
  for (const [i, { repeat }] of contestants.entries()) {
    for (let warmUp = 0; warmUp < warmUps; warmUp++) {
      const seconds = await repeat(1);
      calls[i] = Math.min(mostCalls, Math.max(1, Math.ceil(effort.seconds / seconds)));
    }
  }
  const times: number[][] = contestants.map(() => []);
  for (let repetition = 0; repetition < effort.repetitions; repetition++) {
    for (const [i, { repeat }] of contestants.entries()) {
      await wait(pauseMilliseconds);
      times[i]!.push(await repeat(calls[i]!));
    }
  }
  return times;
}
