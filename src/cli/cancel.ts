import { Command } from 'commander';
import { ConfigError } from '../errors.js';
import { isQueued, runsOnCluster, type SubmittedRun } from '../lab/cluster/runs.js';
import { cancelTasks } from '../lab/cluster/slurm.js';
import { didYouMean } from '../lab/config/nearest.js';
import { print, printJson, storeOf, type StoreFlags } from './shared.js';

/** `hbp cancel`: takes runs back from the cluster. */
export function cancelCommand(): Command {
  return new Command('cancel')
    .description('cancel tasks that wait or run on a cluster; runs stop after their step, with a checkpoint')
    .argument('<what...>', 'runs (exp01/sgd/seed0), variants (exp01/sgd), experiments (exp01), or all')
    .option('--quick', 'of the runs made with --quick')
    .option('--runs <dir>', 'of another folder of runs')
    .option('--dry-run', 'say what would be cancelled, cancel nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  hbp cancel exp01/sgd/seed0\n  hbp cancel exp01 exp02/blocks-4\n  hbp cancel all --dry-run',
    )
    .action(cancel);
}

interface Options extends StoreFlags {
  readonly dryRun?: true;
  readonly json?: true;
}

async function cancel(what: readonly string[], options: Options): Promise<void> {
  const { runs, problem } = await runsOnCluster(storeOf(options));
  if (problem) throw problem;
  const queued = [...runs.values()].filter(isQueued);
  const chosen = new Set(what.flatMap((name) => choose(name, queued)));
  const tasks = [...chosen].flatMap(({ task }) => task ?? []);
  if (!options.dryRun) await cancelTasks(tasks);
  if (options.json)
    return printJson([...chosen].map(({ run, task }) => ({ run, task: `${task?.job}_${task?.index}` })));
  for (const { run, task } of chosen) {
    print(`${options.dryRun ? 'Would cancel' : 'Cancelled'} ${run} (task ${task?.job}_${task?.index}, ${task?.state})`);
  }
}

function choose(name: string, queued: readonly SubmittedRun[]): readonly SubmittedRun[] {
  const chosen = name === 'all' ? queued : queued.filter(({ run }) => run === name || run.startsWith(`${name}/`));
  if (chosen.length > 0) return chosen;
  const known = [...new Set(queued.flatMap(({ run }) => [run.split('/')[0]!, run]))];
  const hint = known.length > 0 ? didYouMean(name, known) : 'no task of this folder of runs waits or runs';
  throw new ConfigError(`nothing to cancel for ${name}: ${hint}`);
}
