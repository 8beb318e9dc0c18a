import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';

/** A job of a scheduler, and how often it has been started again. One job never runs twice at a time. */
const jobSchema = z.object({ id: z.string(), restarts: z.number().int().nonnegative() });
type Job = z.infer<typeof jobSchema>;

/** A process, such that a later process with the same number is not taken for it. */
export const ownerSchema = z.object({
  pid: z.number().int().positive(),
  host: z.string(),
  /** Boot and start time of the process; null where the system does not tell (anything but Linux). */
  started: z.string().nullable(),
  /** Of the job that the process is part of; absent outside of jobs. */
  job: jobSchema.exactOptional(),
});
export type Owner = z.infer<typeof ownerSchema>;

/** A writer on another host that has not been heard of for so long is taken for dead. */
const silenceMs = 10 * 60_000;

/** This process. */
export function self(): Owner {
  const job = ownJob();
  return { pid: process.pid, host: hostname(), started: startOf(process.pid), ...(job && { job }) };
}

/** As Slurm tells it to the processes of a job. */
function ownJob(environment = process.env): Job | undefined {
  const { SLURM_JOB_ID: id, SLURM_CLUSTER_NAME: cluster = '', SLURM_RESTART_COUNT: restarts = '0' } = environment;
  return id === undefined ? undefined : { id: `${cluster}:${id}`, restarts: Number(restarts) || 0 };
}

/** Whether a process belonged to an earlier start of the job that this one is part of: its node may be gone. */
function isBeforeRestart({ job }: Owner): boolean {
  const own = ownJob();
  return job !== undefined && own !== undefined && job.id === own.id && job.restarts < own.restarts;
}

/**
 * Whether the process still runs.
 *
 * @param lastHeard  when it last gave a sign of life [ms since 1970]; all there is to go by for another host
 */
export function isAlive(owner: Owner, lastHeard: number): boolean {
  if (owner.host !== hostname()) return !isBeforeRestart(owner) && Date.now() - lastHeard < silenceMs;
  if (owner.started !== null) return startOf(owner.pid) === owner.started;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export function describeOwner(owner: Owner): string {
  return `process ${owner.pid} on ${owner.host}`;
}

/** `boot id:start ticks` of a live process from Linux's /proc; null for a dead one, a zombie, or on another system. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, in parentheses, may itself hold spaces and parentheses; state is the next field, start the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[19] === undefined ? null : `${boot}:${fields[19]}`;
  } catch {
    return null;
  }
}
