/** Slurm's own commands, 22.05 and later. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { ClusterError } from '../../errors.js';

/** A task of a job array as the scheduler sees it. */
export interface ClusterTask {
  readonly job: string;
  readonly index: number;
  /** Of the job: numbers may be given again. */
  readonly name: string;
  /** Slurm's word, in capitals. */
  readonly state: string;
  /** Why it waits or how it ended; empty where there is nothing to say. */
  readonly reason: string;
}

/** A command that is not there, or not in the PATH. */
export class NoCommand extends ClusterError {}

/** The states that a task does not leave any more. */
const endStates = [
  ...['BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL', 'OUT_OF_MEMORY', 'PREEMPTED'],
  ...['REVOKED', 'TIMEOUT'],
];

/** Whether a task waits or runs, or will once more. */
export function isLive(state: string): boolean {
  return !endStates.includes(state);
}

/**
 * Submits a batch script from its own folder.
 *
 * @returns the job's number
 * @throws ClusterError  sbatch is not there, or refuses: its reason, and what would be right where that can be told
 */
export async function submitScript(script: string): Promise<string> {
  try {
    const answer = await call('sbatch', ['--parsable', script], dirname(script));
    const [, job] = /^(\d+)(;.*)?$/m.exec(answer.trim()) ?? [];
    if (job === undefined) throw new ClusterError(`sbatch answers ${JSON.stringify(answer)}, not the number of a job`);
    return job;
  } catch (error) {
    if (error instanceof NoCommand) {
      throw new NoCommand(`${error.message}: submit where Slurm's commands are (a login node); --dry-run needs none`);
    }
    if (!(error instanceof Refusal)) throw error;
    throw new ClusterError(`sbatch refuses: ${error.message}${await remedy(error.message)}`);
  }
}

/** What the user might have meant, asked of the scheduler. */
async function remedy(refusal: string): Promise<string> {
  const ask = async (command: string, ...args: string[]): Promise<string> => call(command, args).catch(() => '');
  if (/partition/i.test(refusal)) {
    const names = words(await ask('sinfo', '--noheader', '--format=%R'));
    return names.length > 0 ? ` (partitions here: ${names.join(', ')})` : '';
  }
  if (/array/i.test(refusal)) {
    const [, size] = /^MaxArraySize\s*=\s*(\d+)/m.exec(await ask('scontrol', 'show', 'config')) ?? [];
    return size === undefined ? '' : ` (at most ${size} runs at once here: choose some by --variant or --seeds)`;
  }
  return '';
}

/**
 * The tasks of job arrays that wait, run or ended minutes ago.
 *
 * @throws NoCommand     squeue is not there
 * @throws ClusterError  it does not answer
 */
export async function queuedTasks(jobs: readonly string[]): Promise<ClusterTask[]> {
  if (jobs.length === 0) return [];
  const options = ['--noheader', '--array', '--states=all', '--format=%F|%K|%j|%T|%r', `--jobs=${jobs.join(',')}`];
  const answer = await call('squeue', options).catch((error: unknown) => {
    // It has forgotten the only one that was asked for.
    if (error instanceof Refusal && /Invalid job id/i.test(error.message)) return '';
    throw error instanceof Refusal ? new ClusterError(`squeue does not answer: ${error.message}`) : error;
  });
  return answer.split('\n').flatMap((line): ClusterTask[] => {
    const [job = '', index = '', name = '', state = '', reason = ''] = line.trim().split('|');
    if (!/^\d+$/.test(index)) return [];
    return [{ job, index: Number(index), name, state, reason: reason === 'None' ? '' : reason }];
  });
}

/** Those that accounting remembers, for longer; none where there is no accounting. */
export async function accountedTasks(jobs: readonly string[]): Promise<ClusterTask[]> {
  if (jobs.length === 0) return [];
  const options = ['--noheader', '--parsable2', '--allocations', '--format=JobID,JobName,State,ExitCode'];
  const answer = await call('sacct', [...options, `--jobs=${jobs.join(',')}`]).catch((error: unknown) => {
    if (error instanceof ClusterError) return '';
    throw error;
  });
  return answer.split('\n').flatMap((line): ClusterTask[] => {
    const [id = '', name = '', state = '', exitCode = ''] = line.trim().split('|');
    const [, job, index] = /^(\d+)_(\d+)$/.exec(id) ?? [];
    if (job === undefined) return [];
    const [word = state] = state.split(' '); // CANCELLED by 1000
    return [{ job, index: Number(index), name, state: word, reason: word === 'FAILED' ? `exit code ${exitCode}` : '' }];
  });
}

/**
 * Cancels tasks: they are told to stop, and killed if they have not stopped after Slurm's KillWait.
 *
 * @throws ClusterError  scancel is not there, or refuses
 */
export async function cancelTasks(tasks: readonly Pick<ClusterTask, 'job' | 'index'>[]): Promise<void> {
  const byJob = new Map<string, number[]>();
  for (const { job, index } of tasks) byJob.set(job, [...(byJob.get(job) ?? []), index]);
  for (const [job, indices] of byJob) {
    await call('scancel', [`${job}_[${indices.join(',')}]`]).catch((error: unknown) => {
      // It has ended meanwhile.
      if (error instanceof Refusal && /already complet/i.test(error.message)) return;
      throw error instanceof Refusal ? new ClusterError(`scancel refuses: ${error.message}`) : error;
    });
  }
}

/** A command that was there and ended with another code than 0; its message is what it said. */
class Refusal extends ClusterError {}

const timeoutMs = 60_000;

function call(command: string, args: readonly string[], cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'utf8', timeout: timeoutMs, maxBuffer: 2 ** 28, ...(cwd && { cwd }) } as const;
    const env = { ...process.env, LC_ALL: 'C', SLURM_TIME_FORMAT: 'standard' };
    execFile(command, args, { ...options, env }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      if (error.code === 'ENOENT') return reject(new NoCommand(`${command} is not here`));
      if (error.killed) return reject(new Refusal(`no answer within ${timeoutMs / 1000} s`));
      // What went wrong first, without the command's name.
      const [first = ''] = stderr.split('\n').filter((line) => /error/i.test(line));
      const said = (first || stderr.trim().split('\n')[0] || '').replace(/^\w+: (error: )?/, '').trim();
      reject(new Refusal(said || `it ended with ${error.signal ?? `exit code ${error.code}`}`, { cause: error }));
    });
  });
}

function words(text: string): string[] {
  return [...new Set(text.split(/\s+/).filter(Boolean))];
}
