/** Peak and bandwidth of the machine, as bench/peers/raw.cc measures them. */
import type { PeerProcess } from '../peer-process.js';
import { startRaw } from '../peers.js';
import { quartiles } from '../statistics.js';
import type { Speeds } from './floor.js';

/** What `peak` does in a call, on each thread. */
const peakFlop = 2 * 2 ** 26;
/** Of each array of the triad: far beyond any cache. */
const elements = 2 ** 25;
const repetitions = 5;
/** Calls of `peak` at a time: some hundredths of a second, like the kernels of a step. */
const calls = 60;

/** Measures as often as it is asked, in a process of its own. */
export class SpeedMeter {
  private constructor(
    private readonly raw: PeerProcess,
    private readonly threads: number,
  ) {}

  /** @returns no meter and why, if there is no compiler */
  static async start(threads: number): Promise<{ meter: SpeedMeter | null; about: string }> {
    const raw = await startRaw(threads);
    if ('absent' in raw) return { meter: null, about: `absent: ${raw.absent}` };
    return { meter: new SpeedMeter(raw.process, threads), about: raw.info };
  }

  /** Medians; takes about a second. */
  async measure(): Promise<Speeds> {
    const median = async (request: string): Promise<number> => {
      const seconds: number[] = [];
      for (let i = 0; i < repetitions; i++) seconds.push(await this.raw.askNumber(request));
      return quartiles(seconds).median;
    };
    const peak = (peakFlop * this.threads) / (await median(`peak ${calls}`));
    const bandwidth = (3 * 4 * elements) / (await median(`triad ${elements} 3`));
    return { peak, bandwidth };
  }

  stop(): void {
    this.raw.stop();
  }
}

/** Once. @returns null and why, if there is no compiler */
export async function measureSpeeds(threads: number): Promise<{ speeds: Speeds | null; about: string }> {
  const { meter, about } = await SpeedMeter.start(threads);
  try {
    return { speeds: (await meter?.measure()) ?? null, about };
  } finally {
    meter?.stop();
  }
}
