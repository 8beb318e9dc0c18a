import { lstatSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { RunError } from '../errors.js';
import { runName } from '../lab/config/spec.js';
import { isQueued, runsOnCluster } from '../lab/cluster/runs.js';
import { listRuns } from '../lab/results/inspect.js';
import { folders, print } from './shared.js';

/** `hbp clean`: removes what hbp made here and can make again. */
export function cleanCommand(): Command {
  return new Command('clean')
    .description('remove runs and figures made here; datasets and recorded runs stay')
    .option('--runs', 'only the runs')
    .option('--figures', 'only the figures')
    .option('--dry-run', 'say what would be removed, remove nothing')
    .addHelpText('after', '\nExamples:\n  hbp clean --dry-run\n  hbp clean --figures')
    .action(async ({ runs, figures, dryRun }: { runs?: true; figures?: true; dryRun?: true }) => {
      const both = runs === figures;
      const targets = [...(runs || both ? await runTargets() : []), ...(figures || both ? figureTargets() : [])];
      if (targets.length === 0) print('Nothing to remove.');
      for (const target of targets) {
        if (!dryRun) rmSync(target, { recursive: true });
        print(`${dryRun ? 'Would remove' : 'Removed'} ${relative('.', target)}`);
      }
    });
}

async function runTargets(): Promise<string[]> {
  const roots = [folders.runs(), folders.runs(true)].filter(exists);
  roots.forEach(refuseLinks);
  for (const root of roots) await refuseQueued(root);
  const live = roots.flatMap(listRuns).find(({ state }) => state === 'running');
  if (live) {
    const pid = live.record?.owner.pid;
    throw new RunError(`${runName(live)} is being trained by process ${pid}: stop it or wait before cleaning`);
  }
  return roots;
}

/** Tasks that wait would find their list gone. */
async function refuseQueued(root: string): Promise<void> {
  const { runs } = await runsOnCluster(root);
  const queued = [...runs.values()].find(isQueued);
  if (!queued?.task) return;
  const { job, index, state } = queued.task;
  const flag = root === folders.runs(true) ? ' --quick' : '';
  throw new RunError(`${queued.run} is ${state} as task ${job}_${index}: \`hbp cancel all${flag}\` first`);
}

function figureTargets(): string[] {
  const dir = folders.figures();
  if (!exists(dir)) return [];
  refuseLinks(dir);
  return readdirSync(dir)
    .filter((name) => name !== 'README.md')
    .map((name) => join(dir, name));
}

/** A link on the way to a folder would lead the removal somewhere else, perhaps to what must stay. */
function refuseLinks(dir: string): void {
  const straight = join(realpathSync('.'), relative('.', dir));
  if (lstatSync(dir).isSymbolicLink() || realpathSync(dir) !== straight) {
    throw new RunError(`${relative('.', dir)} is reached through a symbolic link: clean there by hand`);
  }
}

/** Also true for a dangling link. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
