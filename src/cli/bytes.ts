import { totalmem } from 'node:os';
import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Half of the machine's memory, or of what its container may use, in bytes. */
export function defaultMemoryLimit(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return Math.floor(Math.min(totalmem(), constrained > 0 ? constrained : Infinity) / 2);
}

/** Half of what the scheduler grants this job, where it says so; else as `defaultMemoryLimit`. In bytes. */
export function grantedMemoryLimit(environment = process.env): number {
  const { SLURM_MEM_PER_NODE: node, SLURM_MEM_PER_CPU: cpu, SLURM_CPUS_ON_NODE: cpus = '1' } = environment;
  const mebibytes = node !== undefined ? Number(node) : Number(cpu) * Number(cpus);
  const granted = mebibytes > 0 ? mebibytes * 2 ** 20 : Infinity;
  return Math.floor(Math.min(defaultMemoryLimit(), granted / 2));
}

/** "4GB", "512 MiB", "1e9" as a number of bytes. */
export function parseBytes(text: string): number {
  const [, number = '', unit = ''] = /^\s*([\d.]+(?:e\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = units[unit.toLowerCase()];
  const bytes = Number(number) * (factor ?? NaN);
  if (number !== '' && bytes >= 1e6) return Math.floor(bytes);
  throw new InvalidArgumentError('a size of at least 1 MB, such as 4GB, 512MiB or a number of bytes.');
}
