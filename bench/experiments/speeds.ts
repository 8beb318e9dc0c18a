/** Peak and bandwidth of the machine, as bench/peers/raw.cc measures them. */
import { startRaw } from '../peers.js';
import { quartiles } from '../statistics.js';
import type { Speeds } from './floor.js';

/** What `peak` does in a call, on each thread. */
const peakFlop = 2 * 2 ** 26;
/** Of each array of the triad: far beyond any cache. */
const elements = 2 ** 25;
const repetitions = 5;

/** @returns null and why, if there is no compiler */
export async function measureSpeeds(threads: number): Promise<{ speeds: Speeds | null; about: string }> {
  const raw = await startRaw(threads);
  if ('absent' in raw) return { speeds: null, about: `absent: ${raw.absent}` };
  try {
    const median = async (request: string): Promise<number> => {
      const seconds: number[] = [];
      for (let i = 0; i < repetitions; i++) seconds.push(await raw.process.askNumber(request));
      return quartiles(seconds).median;
    };
    const peak = (peakFlop * threads) / (await median('peak 10'));
    const bandwidth = (3 * 4 * elements) / (await median(`triad ${elements} 3`));
    return { speeds: { peak, bandwidth }, about: raw.info };
  } finally {
    raw.process.stop();
  }
}
