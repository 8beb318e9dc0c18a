/** What the CPU is and which instruction sets decide its speed here. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/** Instruction sets that matter to dense arithmetic, from narrow to wide. */
export const instructionSets = ['sse4.2', 'avx', 'avx2', 'fma', 'avx512f', 'avx512_vnni', 'amx', 'neon'] as const;
export type InstructionSet = (typeof instructionSets)[number];

export interface Processor {
  readonly model: string;
  /** Cores of the machine. */
  readonly cores: number;
  /** Hardware threads of the machine, and how many of them this process may use. */
  readonly threads: number;
  readonly available: number;
  /** Empty where the system does not say. */
  readonly instructionSets: readonly InstructionSet[];
  /** Designs that carry out AVX-512 in two halves, as Zen 4 does. */
  readonly halvesAvx512: boolean;
}

type Description = Pick<Processor, 'cores' | 'instructionSets' | 'halvesAvx512'>;

export function findProcessor(): Processor {
  const all = cpus();
  const model = all[0]?.model.trim() || 'unknown';
  const threads = Math.max(1, all.length);
  return { model, threads, available: availableParallelism(), ...describe(threads) };
}

function describe(threads: number): Description {
  const unknown = { cores: threads, instructionSets: [], halvesAvx512: false };
  try {
    if (process.platform === 'linux') return parseCpuinfo(readFileSync('/proc/cpuinfo', 'utf8'));
    if (process.platform === 'darwin') {
      return parseSysctl(execFileSync('sysctl', ['hw', 'machdep.cpu'], { encoding: 'utf8', stdio: 'pipe' }));
    }
  } catch {
    // A system without them; what Node itself knows is left.
  }
  return unknown;
}

const linuxNames: Readonly<Record<string, InstructionSet>> = {
  ...{ sse4_2: 'sse4.2', avx: 'avx', avx2: 'avx2', fma: 'fma', avx512f: 'avx512f', avx512_vnni: 'avx512_vnni' },
  ...{ amx_tile: 'amx', asimd: 'neon', neon: 'neon' },
};

/** @param text  Linux's /proc/cpuinfo */
export function parseCpuinfo(text: string): Description {
  const processors = text
    .split(/\n\s*\n/)
    .map(
      (block) => new Map([...block.matchAll(/^([^\t:]+?)\s*:[ \t]*(.*)$/gm)].map(([, key, value]) => [key!, value!])),
    )
    .filter((entries) => entries.has('processor'));
  const first = processors[0] ?? new Map<string, string>();
  const cores = new Set(
    processors.map((entries) =>
      entries.has('core id') ? `${entries.get('physical id')}/${entries.get('core id')}` : entries.get('processor'),
    ),
  );
  const flags = (first.get('flags') ?? first.get('Features') ?? '').split(/\s+/);
  return {
    cores: Math.max(1, cores.size),
    instructionSets: inOrder(flags.map((flag) => linuxNames[flag])),
    halvesAvx512: first.get('vendor_id') === 'AuthenticAMD' && Number(first.get('cpu family')) === 25,
  };
}

const macNames: Readonly<Record<string, InstructionSet>> = {
  ...{ 'SSE4.2': 'sse4.2', 'AVX1.0': 'avx', AVX2: 'avx2', FMA: 'fma', AVX512F: 'avx512f', AVX512VNNI: 'avx512_vnni' },
};

/** @param text  what macOS's `sysctl hw machdep.cpu` prints */
export function parseSysctl(text: string): Description {
  const entries = new Map([...text.matchAll(/^([\w.]+): (.*)$/gm)].map(([, key, value]) => [key!, value!]));
  const flags = `${entries.get('machdep.cpu.features') ?? ''} ${entries.get('machdep.cpu.leaf7_features') ?? ''}`;
  const neon = entries.get('hw.optional.neon') === '1' || entries.get('hw.optional.arm64') === '1';
  return {
    cores: Number(entries.get('hw.physicalcpu') ?? 1),
    instructionSets: inOrder([...flags.split(/\s+/).map((flag) => macNames[flag]), neon ? 'neon' : undefined]),
    halvesAvx512: false,
  };
}

function inOrder(found: readonly (InstructionSet | undefined)[]): InstructionSet[] {
  return instructionSets.filter((name) => found.includes(name));
}
