import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { HbpError, messageOf } from '../errors.js';
import { benchCommand } from './bench.js';
import { cancelCommand } from './cancel.js';
import { cleanCommand } from './clean.js';
import { compareCommand } from './compare.js';
import { addCompletion } from './completion.js';
import { dashboardCommand } from './dashboard.js';
import { dataCommand } from './data.js';
import { doctorCommand } from './doctor.js';
import { exportCommand } from './export.js';
import { inspectCommand } from './inspect.js';
import { listCommand } from './list.js';
import { logsCommand } from './logs.js';
import { nativeCommand } from './native.js';
import { plotCommand } from './plot.js';
import { reportCommand } from './report.js';
import { runCommand } from './run.js';
import { statusCommand } from './status.js';
import { submitCommand } from './submit.js';

/**
 * The `hbp` command. Sets the process's exit code: 0 fine, 1 a run failed, 2 usage or experiment file, 3 data,
 * 4 backend, 5 cluster, 130 interrupted.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  // A reader such as `head` that has seen enough is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error, program.opts<{ verbose?: true }>().verbose ?? false);
  }
}

function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('hbp')
    .description('Hessian backpropagation: train the experiments of arXiv 1902.01813 and draw their figures')
    .version(version)
    .option('--verbose', 'show the stack of an error')
    .addHelpText(
      'after',
      `
Examples:
  hbp list                                  what there is to run
  hbp run exp01 exp02 --quick --jobs auto   train both at reduced size
  hbp plot --quick                          draw what was trained, to ./fig
  hbp plot --original                       draw the recorded runs that ship
  hbp compare exp01                         your numbers beside theirs

Exit codes: 0 fine, 1 a run failed, 2 usage or experiment file, 3 data, 4 backend, 5 cluster,
130 interrupted.`,
    );
  const commands = [
    listCommand,
    runCommand,
    submitCommand,
    plotCommand,
    compareCommand,
    exportCommand,
    inspectCommand,
    dashboardCommand,
    reportCommand,
    dataCommand,
    statusCommand,
    logsCommand,
    cancelCommand,
    cleanCommand,
    doctorCommand,
    benchCommand,
    nativeCommand,
  ];
  for (const create of commands) program.addCommand(create());
  addCompletion(program);
  exitByThrowing(program);
  return program;
}

/** Commander would end the process itself, with code 1 for a wrong argument. */
function exitByThrowing(command: Command): void {
  command.exitOverride();
  command.showHelpAfterError('(--help says more)');
  command.commands.forEach(exitByThrowing);
}

function report(error: unknown, verbose: boolean): number {
  // Commander has printed its message by the time it throws.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`hbp: ${verbose && stack ? stack : messageOf(error)}\n`);
  return error instanceof HbpError ? error.exitCode : 1;
}
