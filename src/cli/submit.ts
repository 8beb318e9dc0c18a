import { hostname } from 'node:os';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { Command } from 'commander';
import { parseBackend } from '../engine/backend/names.js';
import { messageOf, RunError } from '../errors.js';
import { runName, type RunSpec } from '../lab/config/spec.js';
import { isAbsent, isQueued, runsOnCluster, type SubmittedRun } from '../lab/cluster/runs.js';
import { batchScript, type Resources } from '../lab/cluster/script.js';
import { submitScript } from '../lab/cluster/slurm.js';
import { createSubmission, readTask, recordJob, removeSubmission, scriptOf } from '../lab/cluster/submission.js';
import { inspectRun } from '../lab/results/inspect.js';
import { isDone, runDir, whyDiverged } from '../lab/results/store.js';
import { minutes, positiveInteger } from './arguments.js';
import { grantedMemoryLimit } from './bytes.js';
import { addPlanOptions, type PlanOptions, planRuns } from './plan.js';
import { dataDirs, packageRoot, print, printJson, storeOf } from './shared.js';
import { backendOption } from './engine-options.js';
import { exitCodeOf, isTaken, trainHere } from './train.js';

/** `hbp submit`: trains on a cluster. */
export function submitCommand(): Command {
  return new Command('submit')
    .description('train on a cluster: hand runs to its job scheduler')
    .addCommand(slurmCommand())
    .addCommand(taskCommand(), { hidden: true });
}

interface SlurmOptions extends PlanOptions, Omit<Resources, 'further'> {
  readonly sbatch?: string[];
  readonly backend: string;
  readonly keepCheckpoint?: true;
  readonly checkpointEvery: number;
  readonly runs?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

function slurmCommand(): Command {
  const command = new Command('slurm').description('submit one Slurm job array: a task for every run that is not done');
  return addPlanOptions(command)
    .addOption(backendOption())
    .option('--partition <name>', 'where the tasks run (default: that of the cluster)')
    .option('--account <name>', 'who pays')
    .option('--time <limit>', 'of each task, as sbatch takes it: 90, 12:00:00, 2-00:00')
    .option('--gpus <n>', 'GPUs of each task: 1, a100:1')
    .option('--cpus <n>', 'CPUs of each task: the threads of its run', positiveInteger, 1)
    .option('--mem <size>', 'memory of each task, such as 4G')
    .option('--array-limit <n>', 'tasks at a time', positiveInteger)
    .option('--sbatch <option...>', 'further options of sbatch: --sbatch=--qos=high')
    .option('--runs <dir>', 'folder of the runs, on a file system that all nodes share (default: as `hbp run`)')
    .option('--checkpoint-every <minutes>', 'how much of a run a crash may cost', minutes, 2)
    .option('--keep-checkpoint', 'leave the last checkpoint of done runs: they can go on with more --epochs')
    .option('--dry-run', 'show the batch script and the runs, submit nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  hbp submit slurm exp01 exp02 --partition long --time 12:00:00 --cpus 4 --mem 8G
  hbp submit slurm exp08-grid --seeds 0-2 --array-limit 50 --dry-run
  hbp submit slurm exp09 --gpus 1 --backend gpu --sbatch=--qos=high
  hbp status                 the runs, and their tasks
  hbp logs exp01/sgd/seed0 --follow
  hbp cancel exp01

Runs that are done, running or in the queue are left out, unfinished ones go on from their last checkpoint, so the same
command may be given again at any time. A task that is preempted or whose node fails starts again by itself.`,
    )
    .action(submit);
}

/** A run that is not submitted, and why. */
interface Left {
  readonly run: string;
  readonly why: string;
}

async function submit(names: string[], options: SlurmOptions): Promise<void> {
  const backend = parseBackend(options.backend);
  const searchDirs = dataDirs(options.dataDir);
  const specs = await planRuns(names, options, searchDirs);
  const root = storeRoot(options);
  const { runs: submitted, problem } = await runsOnCluster(root);
  if (problem && !isAbsent(problem)) throw problem;
  const left = specs.flatMap((spec): Left[] => {
    const why = whyLeft(root, spec, submitted.get(runName(spec)));
    return why === null ? [] : [{ run: runName(spec), why }];
  });
  const notAgain = new Set(left.map(({ run }) => run));
  const tasks = specs.filter((spec) => !notAgain.has(runName(spec)));
  const count = `${tasks.length} of ${specs.length} runs`;
  if (!options.json) printLeft(left);
  if (tasks.length === 0) {
    if (options.json) printJson({ job: null, folder: null, submitted: [], left });
    else print('Nothing to submit');
    return;
  }

  const { cpus, keepCheckpoint = false, checkpointEvery } = options;
  const checkpoints = { keepCheckpoint, checkpointEveryMs: checkpointEvery * 60_000 };
  const settings = { backend, threads: cpus, dataDirs: searchDirs, ...checkpoints };
  const script = (name: string, listFile: string): string => {
    const command = [process.execPath, resolve(packageRoot, 'bin', 'hbp.js'), 'submit', 'run-task', listFile];
    return batchScript(name, tasks.length, { ...options, further: options.sbatch }, command);
  };
  const label = labelOf(tasks);
  const text = script(label, resolve(root, '.slurm', label, 'tasks.json'));
  if (options.dryRun) {
    if (options.json) return printJson({ job: null, folder: null, script: text, submitted: tasks.map(runName), left });
    print(text);
    tasks.forEach((spec, index) => print(`task ${index}: ${runName(spec)}`));
    return print(`${count} would be submitted`);
  }
  const submission = createSubmission(root, label, { settings, tasks }, script);
  let job: string;
  try {
    job = await submitScript(scriptOf(submission));
  } catch (error) {
    removeSubmission(submission);
    throw error;
  }
  recordJob(submission, job);
  if (options.json) return printJson({ job, folder: submission.dir, submitted: submission.runs, left });
  print(`Submitted ${count} as job ${job}, in ${relative('.', submission.dir)}`);
  const where = storeFlags(options);
  print(`Next: hbp status${where}; hbp logs ${submission.runs[0]}${where} --follow`);
}

/** A line each, but for those that are simply done: of a search there may be thousands. */
function printLeft(left: readonly Left[]): void {
  for (const { run, why } of left) if (why !== isDoneAlready) print(`${run}: ${why}`);
  const done = left.filter(({ why }) => why === isDoneAlready).length;
  if (done > 0) print(`${done} ${done === 1 ? 'run is' : 'runs are'} done`);
}

const isDoneAlready = 'done';

/** The folder of the runs by its own name, which is the same on all nodes where links may not be. */
function storeRoot(options: SlurmOptions): string {
  const root = storeOf(options);
  try {
    if (!options.dryRun) mkdirSync(root, { recursive: true });
    return existsSync(root) ? realpathSync(root) : root;
  } catch (error) {
    throw new RunError(`${root}: no folder for runs: ${messageOf(error)}`, { cause: error });
  }
}

function storeFlags({ runs, quick }: SlurmOptions): string {
  return runs === undefined ? (quick ? ' --quick' : '') : ` --runs ${runs}`;
}

/** Null: it is to be trained. */
function whyLeft(root: string, spec: RunSpec, submitted: SubmittedRun | undefined): string | null {
  if (isDone(root, spec)) return isDoneAlready;
  const diverged = whyDiverged(root, spec);
  if (diverged !== null) return 'diverged, and would again: `hbp run --force` trains it from scratch';
  if (submitted?.task && isQueued(submitted)) {
    const { job, index, state } = submitted.task;
    return `${state} as task ${job}_${index}`;
  }
  return whoTrains(root, spec);
}

/** Null: nobody trains this run now. */
function whoTrains(root: string, spec: RunSpec): string | null {
  const { state, record } = inspectRun(runDir(root, spec));
  if (state !== 'running' || !record) return null;
  const { pid, host } = record.owner;
  return `being trained by process ${pid} on ${host}, last heard of at ${record.heartbeatAt}`;
}

/** `exp01`, `exp01-and-2-more`. */
function labelOf(tasks: readonly RunSpec[]): string {
  const [first, ...others] = new Set(tasks.map(({ experiment }) => experiment));
  return `${first}${others.length > 0 ? `-and-${others.length}-more` : ''}`;
}

/** What the batch script starts. */
function taskCommand(): Command {
  return new Command('run-task')
    .description('train one run of a submission (the batch script does it)')
    .argument('<list>', 'task list of a submission')
    .argument('<index>', 'which task')
    .action(runTask);
}

async function runTask(list: string, index: string): Promise<void> {
  const { root, spec, settings } = readTask(resolve(list), Number(index));
  print(`${new Date().toISOString()} ${runName(spec)} on ${hostname()}`);
  if (isDone(root, spec)) return print('done before, skipped');
  const other = whoTrains(root, spec);
  if (other !== null) return print(`${other}: left to it`);
  const { outcomes, stopped } = await trainHere([spec], [], {
    ...{ ...settings, root, force: false, jobs: 1, memoryLimit: grantedMemoryLimit(), secondSignal: 'waits' },
  });
  // Somebody may have taken it after the look, or taken it over.
  if (!stopped && outcomes.some(isTaken)) return print('another process has it: left to it');
  process.exitCode = stopped ? 130 : exitCodeOf(outcomes);
}
