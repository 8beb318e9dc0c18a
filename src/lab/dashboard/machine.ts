import { readFileSync } from 'node:fs';
import { cpus, freemem, hostname, loadavg, totalmem } from 'node:os';
import type { MachineInfo, RunSummary } from './api.js';

/** This machine now, with the processes that train the given runs here. */
export function machineNow(runs: readonly RunSummary[]): MachineInfo {
  const processors = cpus();
  const { total, available } = memory();
  const byProcess = new Map<number, string[]>();
  for (const { pid, state, name } of runs) {
    if (pid !== null && state === 'running') byProcess.set(pid, [...(byProcess.get(pid) ?? []), name]);
  }
  return {
    host: hostname(),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    load: process.platform === 'win32' ? null : (loadavg()[0] ?? null),
    memory: { total, used: total - available },
    processes: [...byProcess].flatMap(([pid, names]) => {
      const bytes = residentBytes(pid);
      return bytes === null ? [] : [{ pid, bytes, runs: names }];
    }),
  };
}

/** Linux counts caches that it would give away as available; elsewhere what is free is all that is known. */
function memory(): { total: number; available: number } {
  try {
    const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
    if (kib !== undefined) return { total: totalmem(), available: Number(kib) * 1024 };
  } catch {
    // not Linux
  }
  return { total: totalmem(), available: freemem() };
}

/** Null where the system does not tell. */
function residentBytes(pid: number): number | null {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}
