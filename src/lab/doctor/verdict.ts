import type { BackendName } from '../../engine/backend/index.js';
import type { Peak } from './peak.js';
import type { Probed } from './probe.js';

/** What there is to say of one backend, whether it works or not. */
export interface BackendReport {
  readonly name: BackendName;
  /** `slow`: works, but is slow or could be made better by the remedy. */
  readonly state: 'works' | 'slow' | 'fails';
  /** The one that `--backend auto` takes here. */
  readonly chosen: boolean;
  readonly needs: string;
  /** Why it does not work or is slow; null if nothing is wrong. */
  readonly reason: string | null;
  /** What to type or get. */
  readonly remedy: string | null;
  readonly description: string | null;
  readonly version: string | null;
  readonly gpu: boolean;
  readonly threads: number | null;
  readonly isa: string | null;
  readonly adapter: string | null;
  /** GFLOP/s and their share of the CPU's estimated peak; null if not measured, or on a GPU, whose peak is not known. */
  readonly speed: { readonly matMul: Rate; readonly conv2d: Rate } | null;
}

export interface Rate {
  readonly gflops: number;
  readonly shareOfPeak: number | null;
}

/** Judge what the backends' processes found, in the order in which `auto` tries them. */
export function judge(all: readonly Probed[], peak: Peak | null): BackendReport[] {
  const chosen = all.find(({ probe }) => probe.works && probe.auto)?.probe.name;
  const faster = all.some(({ probe }) => probe.works && probe.auto && !['wasm', 'cpu'].includes(probe.name));
  const native = all.find(({ probe }) => probe.name === 'native')?.probe;
  return all.map(({ probe, speed }): BackendReport => {
    const { name, needs } = probe;
    const common = { name, needs, chosen: name === chosen };
    if (!probe.works) return { ...common, state: 'fails', reason: probe.reason, remedy: probe.remedy, ...nothing };
    const { description, version, gpu, threads, isa = null, adapter = null, caveat } = probe.backend;
    const facts = { description, version, gpu, threads, isa, adapter };
    const rate = (gflops: number): Rate => ({ gflops, shareOfPeak: gpu || !peak ? null : gflops / peak.gflops });
    const rates = speed && { matMul: rate(speed.matMul), conv2d: rate(speed.conv2d) };
    const slow = caveat ?? slowness(name, faster, native && !native.works ? native.remedy : null);
    const { reason, remedy } = slow ?? { reason: null, remedy: null };
    return { ...common, state: slow ? 'slow' : 'works', reason, remedy, ...facts, speed: rates };
  });
}

const nothing = {
  ...{ description: null, version: null, gpu: false, threads: null, isa: null, adapter: null, speed: null },
} as const;

function slowness(
  name: BackendName,
  faster: boolean,
  nativeRemedy: string | null,
): { reason: string; remedy: string | null } | null {
  if (name === 'cpu') return { reason: 'the slow reference, for comparisons', remedy: null };
  if (name !== 'wasm' || faster) return null;
  return { reason: 'trains, but on one thread; native is several times as fast', remedy: nativeRemedy };
}

/** Whether hbp can train here: on any backend but the reference. */
export function canTrain(backends: readonly BackendReport[]): boolean {
  return backends.some(({ name, state }) => name !== 'cpu' && state !== 'fails');
}
