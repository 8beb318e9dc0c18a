/** The batch script of a job array: a task trains one run. */
import { ConfigError } from '../../errors.js';

/** What the scheduler is asked for, for each task. */
export interface Resources {
  readonly partition?: string | undefined;
  readonly account?: string | undefined;
  /** As sbatch takes it: minutes, `HH:MM:SS`, `D-HH:MM`. */
  readonly time?: string | undefined;
  /** `1`, `a100:2`. */
  readonly gpus?: string | undefined;
  readonly cpus: number;
  /** `4G`. */
  readonly mem?: string | undefined;
  /** Tasks at a time. */
  readonly arrayLimit?: number | undefined;
  /** Further options of sbatch, `--qos=high`. */
  readonly further?: readonly string[] | undefined;
}

/** Seconds before the end of its time that a task hears of it. */
const noticeSeconds = 60;

/**
 * Tasks 0 to `count` - 1. The shell becomes the task (exec), so that signals for the batch script reach it; a task that
 * is started again writes on in the log of before.
 *
 * @param command  with its arguments; the task's index comes last
 * @throws ConfigError  a value that is more than one plain word
 */
export function batchScript(
  name: string,
  count: number,
  { partition, account, time, gpus, cpus, mem, arrayLimit, further = [] }: Resources,
  command: readonly string[],
): string {
  const directives = [
    ['job-name', name],
    ['array', `0-${count - 1}${arrayLimit === undefined ? '' : `%${arrayLimit}`}`],
    ['output', 'logs/%a.log'],
    ['open-mode', 'append'],
    ['requeue', null],
    ['signal', `B:TERM@${noticeSeconds}`],
    ['ntasks', '1'],
    ['cpus-per-task', String(cpus)],
    ['partition', partition],
    ['account', account],
    ['time', time],
    ['gpus', gpus],
    ['mem', mem],
  ] as const;
  const lines = directives.flatMap(([option, value]) => {
    if (value === undefined) return [];
    if (value !== null && !/^[\w.,:;+=@%/-]+$/.test(value)) {
      throw new ConfigError(`--${option}: found ${JSON.stringify(value)}, expected one word as sbatch takes it`);
    }
    return [`#SBATCH --${option}${value === null ? '' : `=${value}`}`];
  });
  for (const option of further) {
    if (!/^--[a-z][a-z-]*(=[\w.,:;+=@%/&|!*()[\]-]+)?$/.test(option)) {
      const found = JSON.stringify(option);
      throw new ConfigError(`--sbatch: found ${found}, expected an option of sbatch in one word, such as --qos=high`);
    }
    lines.push(`#SBATCH ${option}`);
  }
  return ['#!/bin/sh', ...lines, `exec ${command.map(quote).join(' ')} "$SLURM_ARRAY_TASK_ID"`, ''].join('\n');
}

/** For a POSIX shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
