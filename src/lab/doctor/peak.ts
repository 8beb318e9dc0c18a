import { cpus } from 'node:os';
import type { Processor } from './processor.js';

/** An estimate of what the CPU can do at most in float32, and how it was made. */
export interface Peak {
  readonly gflops: number;
  readonly cores: number;
  readonly flopPerCycle: number;
  /** What `flopPerCycle` assumes of the core. */
  readonly units: string;
  readonly ghz: number;
  /** Measured just now, or what the system gives as nominal. */
  readonly clock: 'measured' | 'nominal';
}

/** cores x FLOP per cycle of the widest instruction set x clock; null where one of them is not known. */
export function estimatePeak(processor: Processor, clock = findClock()): Peak | null {
  const width = flopPerCycleOf(processor);
  if (!width || !clock) return null;
  // Two hardware threads of a core share its units.
  const cores = Math.min(processor.cores, processor.available);
  return { gflops: cores * width.flopPerCycle * clock.ghz, cores, ...width, ...clock };
}

/** Float32 operations a cycle of one core: lanes x 2 (multiply and add) x units. */
export function flopPerCycleOf(
  processor: Pick<Processor, 'model' | 'instructionSets' | 'halvesAvx512'>,
): Pick<Peak, 'flopPerCycle' | 'units'> | null {
  const has = new Set(processor.instructionSets);
  if (has.has('avx512f') && processor.halvesAvx512) return { flopPerCycle: 32, units: 'AVX-512 as 2 FMA of 8 floats' };
  if (has.has('amx')) return { flopPerCycle: 64, units: '2 FMA of 16 floats; AMX goes beyond' };
  if (has.has('avx512f')) return { flopPerCycle: 64, units: '2 FMA of 16 floats' };
  if (has.has('avx2') && has.has('fma')) return { flopPerCycle: 32, units: '2 FMA of 8 floats' };
  if (has.has('avx')) return { flopPerCycle: 16, units: 'add and multiply of 8 floats' };
  if (has.has('sse4.2')) return { flopPerCycle: 8, units: 'add and multiply of 4 floats' };
  if (has.has('neon') && /^Apple/.test(processor.model)) return { flopPerCycle: 32, units: '4 FMA of 4 floats' };
  if (has.has('neon')) return { flopPerCycle: 16, units: '2 FMA of 4 floats' };
  return null;
}

type Clock = Pick<Peak, 'ghz' | 'clock'>;

function findClock(): Clock | null {
  if (process.arch === 'x64') return { ghz: measureClock(), clock: 'measured' };
  const mhz = cpus()[0]?.speed ?? 0;
  return mhz > 0 ? { ghz: mhz / 1000, clock: 'nominal' } : null;
}

/** Cycles from a 32-bit integer product to the next that needs it, on every x86-64 core since 2008. */
const imulCycles = 3;
const products = 8 * 200_000;

/** The clock in GHz from a chain of products, each of which waits for the one before. The best of 40 ms of trials. */
function measureClock(): number {
  let best = Infinity;
  const began = performance.now();
  for (let trial = 1; trial <= 10 || performance.now() - began < 40; trial++) {
    const start = performance.now();
    chain(products / 8, trial, 2 * trial + 1);
    best = Math.min(best, performance.now() - start);
  }
  return (products * imulCycles) / (best * 1e6);
}

const { imul } = Math;

function chain(rounds: number, x: number, factor: number): number {
  for (let i = 0; i < rounds; i++) {
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
    x = imul(x, factor);
  }
  return x;
}
