import { relative } from 'node:path';
import { Command } from 'commander';
import { runName } from '../lab/config/spec.js';
import { listRuns, type RunInfo } from '../lab/results/inspect.js';
import { formatEpoch } from '../lab/results/resume.js';
import { folders, formatTable, print, printJson } from './shared.js';

/** `hbp status`: every run of a run store, as it is now. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show every run: state, progress, last losses, why it stopped and where it will go on')
    .option('--quick', 'the runs made with --quick')
    .option('--runs <dir>', 'another folder of runs')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  hbp status\n  hbp status --quick\n  hbp status --json')
    .action(({ quick, runs, json }: { quick?: true; runs?: string; json?: true }) => {
      const root = runs ?? folders.runs(quick);
      const found = listRuns(root);
      if (json) printJson(found);
      else if (found.length === 0) print(`No runs in ${relative('.', root) || '.'} yet: \`hbp run\` makes some.`);
      else print(formatTable(head, found.map(formatRun)));
    });
}

const head = ['run', 'state', 'progress', 'train loss', 'test loss', 'test acc.', 'when', 'reason'];

function formatRun(run: RunInfo): string[] {
  const row = run.record?.lastRow;
  return [
    runName(run),
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

/** `2020-05-17 09:30`, local time. */
function formatTime(time: string | undefined): string {
  return time === undefined ? '-' : new Date(time).toLocaleString('sv-SE').slice(0, 16);
}
