/** The runs of a store that job arrays train, and where those stand. */
import { existsSync } from 'node:fs';
import { ClusterError } from '../../errors.js';
import { accountedTasks, isLive, NoCommand, queuedTasks, type ClusterTask } from './slurm.js';
import { listSubmissions, logOf, type Submission } from './submission.js';

export interface SubmittedRun {
  /** `exp01/sgd/seed0` */
  readonly run: string;
  readonly submission: Submission;
  readonly index: number;
  /** As the scheduler tells it; null where it does not know the task any more, or was not asked. */
  readonly task: ClusterTask | null;
}

/** The newest task of every run that was ever submitted, without asking the scheduler. */
export function submittedRuns(root: string): Map<string, SubmittedRun> {
  const known = new Map<string, SubmittedRun>();
  for (const submission of listSubmissions(root)) {
    submission.runs.forEach((run, index) => {
      if (submission.job !== null) known.set(run, { run, submission, index, task: null });
    });
  }
  return known;
}

export interface RunsOnCluster {
  readonly runs: ReadonlyMap<string, SubmittedRun>;
  /** Why the scheduler could not be asked; null: it was, or there was no need to. */
  readonly problem: ClusterError | null;
}

/**
 * The runs with their tasks' states: of several tasks of a run the one that waits or runs, else the newest.
 *
 * @param wanted  whether somebody wants to know of a run: old submissions whose runs are all done cost no question
 */
export async function runsOnCluster(
  root: string,
  wanted: (run: string) => boolean = () => true,
): Promise<RunsOnCluster> {
  const submissions = listSubmissions(root).filter(({ job, runs }) => job !== null && runs.some(wanted));
  const jobs = submissions.flatMap(({ job }) => job ?? []);
  const tasks = new Map<string, ClusterTask>();
  const keyOf = (job: string | null, name: string, index: number): string => `${job} ${name} ${index}`;
  const add = (task: ClusterTask): unknown => tasks.set(keyOf(task.job, task.name, task.index), task);
  const taskOf = ({ job, name }: Submission, index: number): ClusterTask | null =>
    tasks.get(keyOf(job, name, index)) ?? null;
  try {
    const queued = await queuedTasks(jobs);
    queued.forEach(add);
    const forgotten = submissions.filter((each) => each.runs.some((run, i) => wanted(run) && !taskOf(each, i)));
    // What both know the queue knows better.
    (await accountedTasks(forgotten.flatMap(({ job }) => job ?? []))).forEach(add);
    queued.forEach(add);
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return { runs: submittedRuns(root), problem: error };
  }
  const known = new Map<string, SubmittedRun>();
  for (const submission of submissions) {
    submission.runs.forEach((run, index) => {
      if (isQueued(known.get(run))) return;
      known.set(run, { run, submission, index, task: taskOf(submission, index) });
    });
  }
  return { runs: known, problem: null };
}

/** Whether the scheduler has a task for a run that waits or runs. */
export function isQueued(submitted: SubmittedRun | undefined): boolean {
  return submitted?.task ? isLive(submitted.task.state) : false;
}

/** Whether there is no Slurm where this is asked: then nobody can tell, and that is no error of the cluster's. */
export function isAbsent(problem: ClusterError | null): boolean {
  return problem instanceof NoCommand;
}

/** `RUNNING`, `PENDING (Priority)`; of a task that failed before it could write, what is likely. */
export function describeTask({ submission, index, task }: SubmittedRun): string {
  if (!task) return '';
  const { state, reason } = task;
  const mute = state === 'FAILED' && !existsSync(logOf(submission, index));
  const why = mute ? 'no log: does its node see this folder?' : reason;
  return why === '' ? state : `${state} (${why})`;
}
