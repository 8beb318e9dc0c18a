import { relative } from 'node:path';
import { Command } from 'commander';
import { runName } from '../lab/config/spec.js';
import { describeTask, isAbsent, isQueued, runsOnCluster, type SubmittedRun } from '../lab/cluster/runs.js';
import { listRuns, type RunInfo } from '../lab/results/inspect.js';
import { formatEpoch } from '../lab/results/resume.js';
import { formatTable, print, printJson, storeOf, type StoreFlags } from './shared.js';

/** `hbp status`: every run of a run store, as it is now. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show every run: state, progress, last losses, why it stopped and where it will go on')
    .option('--quick', 'the runs made with --quick')
    .option('--runs <dir>', 'another folder of runs')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  hbp status\n  hbp status --quick\n  hbp status --json\n\n' +
        'Runs that were submitted to a cluster are shown with the state of their tasks there.',
    )
    .action(status);
}

async function status(options: StoreFlags & { json?: true }): Promise<void> {
  const root = storeOf(options);
  const found = listRuns(root);
  const done = new Set(found.filter(({ state }) => state === 'done').map(runName));
  const { runs: submitted, problem } = await runsOnCluster(root, (run) => !done.has(run));
  if (problem && !isAbsent(problem)) process.stderr.write(`hbp: ${problem.message}\n`);
  const begun = new Set(found.map(runName));
  const waiting = [...submitted.values()].filter(({ run, task }) => task && !begun.has(run));
  if (options.json) return printJson(describe(found, waiting, submitted));
  if (found.length + waiting.length === 0) {
    return print(`No runs in ${relative('.', root) || '.'} yet: \`hbp run\` makes some.`);
  }
  const shown = new Map([...submitted].filter(([run, each]) => each.task && (!done.has(run) || isQueued(each))));
  const rows = [
    ...found.map((run) => ({ run: runName(run), cells: formatRun(run) })),
    ...waiting.map(({ run }) => ({ run, cells: ['not begun', '0%', '-', '-', '-', '-', ''] })),
  ];
  const withTask = shown.size > 0;
  print(
    formatTable(
      withTask ? [...head.slice(0, 2), 'cluster', ...head.slice(2)] : head,
      rows.map(({ run, cells: [state = '', ...others] }) => {
        const each = shown.get(run);
        return [run, state, ...(withTask ? [each ? describeTask(each) : '-'] : []), ...others];
      }),
    ),
  );
}

const head = ['run', 'state', 'progress', 'train loss', 'test loss', 'test acc.', 'when', 'reason'];

/** All but the name. */
function formatRun(run: RunInfo): string[] {
  const row = run.record?.lastRow;
  return [
    run.state,
    `${Math.floor(run.progress * 100)}%`,
    row ? row.train_loss.toFixed(4) : '-',
    row ? row.test_loss.toFixed(4) : '-',
    row ? `${(row.test_accuracy * 100).toFixed(1)}%` : '-',
    formatTime(run.record?.finishedAt ?? run.record?.heartbeatAt),
    [run.reason, ...(run.goesOnAt ? [`goes on at epoch ${formatEpoch(run.goesOnAt.epoch)}`] : [])]
      .filter(Boolean)
      .join('; '),
  ];
}

/** Runs as they are recorded, each with its task where it was submitted; those that have not begun last. */
function describe(
  found: readonly RunInfo[],
  waiting: readonly SubmittedRun[],
  submitted: ReadonlyMap<string, SubmittedRun>,
): object[] {
  const cluster = (each: SubmittedRun | undefined): object => (each?.task ? { cluster: each.task } : {});
  return [
    ...found.map((run) => ({ ...run, ...cluster(submitted.get(runName(run))) })),
    ...waiting.map((each) => {
      const [experiment, variant, seed = ''] = each.run.split('/');
      return { experiment, variant, seed: Number(seed.slice('seed'.length)), state: 'not begun', ...cluster(each) };
    }),
  ];
}

/** `2020-05-17 09:30`, local time. */
function formatTime(time: string | undefined): string {
  return time === undefined ? '-' : new Date(time).toLocaleString('sv-SE').slice(0, 16);
}
