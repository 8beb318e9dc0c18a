import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { loadAllExperiments } from '../lab/config/load.js';
import { folders, print, storeOf } from './shared.js';

interface DashboardFlags {
  readonly port: number;
  readonly open?: true;
  readonly quick?: true;
  readonly runs?: string;
}

/** `hbp dashboard`: a page on this machine that shows runs while they train. */
export function dashboardCommand(): Command {
  return new Command('dashboard')
    .description('watch runs in the browser: states, live curves, layers, the machine')
    .option('--port <n>', 'port on 127.0.0.1 (default: any that is free)', parsePort, 0)
    .option('--open', 'open the page in the browser')
    .addOption(new Option('--quick', 'the runs made with --quick').conflicts('runs'))
    .option('--runs <dir>', 'another folder of runs')
    .addHelpText(
      'after',
      `
Examples:
  hbp dashboard --open             the runs in data/runs, now and as they train
  hbp dashboard --quick            those made with --quick
  hbp dashboard --port 8080        at an address to keep
  hbp dashboard --runs data/original

Only this machine can see the page. To watch a server from elsewhere: ssh -L 8080:127.0.0.1:8080 SERVER.
Ctrl-C ends it; runs go on without it.`,
    )
    .action(dashboard);
}

async function dashboard(flags: DashboardFlags): Promise<void> {
  const { startDashboard } = await import('../lab/dashboard/server.js');
  const root = resolve(storeOf(flags));
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const running = await startDashboard({
    root,
    rootName: relative('.', root) || '.',
    version,
    port: flags.port,
    experiments: loadAllExperiments(folders.experiments()),
    onProblem: (message) => process.stderr.write(`${message}\n`),
  });
  print(`Runs in ${relative('.', root) || '.'} at ${running.url} (Ctrl-C ends it)`);
  if (flags.open) openInBrowser(running.url);
  await new Promise((end) => process.once('SIGINT', end).once('SIGTERM', end));
  await running.close();
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError('A port from 0 to 65535 is expected.');
  }
  return port;
}

/** With the system's own opener; where there is none, the address has been printed. */
function openInBrowser(url: string): void {
  const [command = '', ...args] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open'];
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => process.stderr.write(`No program to open pages was found: open ${url} by hand\n`));
  child.unref();
}
