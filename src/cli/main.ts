import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { HbpError, messageOf } from '../errors.js';

/** In the order of the help. To load them all takes longer than many a command takes to run. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  list: async () => (await import('./list.js')).listCommand(),
  run: async () => (await import('./run.js')).runCommand(),
  submit: async () => (await import('./submit.js')).submitCommand(),
  plot: async () => (await import('./plot.js')).plotCommand(),
  compare: async () => (await import('./compare.js')).compareCommand(),
  export: async () => (await import('./export.js')).exportCommand(),
  inspect: async () => (await import('./inspect.js')).inspectCommand(),
  dashboard: async () => (await import('./dashboard.js')).dashboardCommand(),
  report: async () => (await import('./report.js')).reportCommand(),
  data: async () => (await import('./data.js')).dataCommand(),
  status: async () => (await import('./status.js')).statusCommand(),
  logs: async () => (await import('./logs.js')).logsCommand(),
  cancel: async () => (await import('./cancel.js')).cancelCommand(),
  clean: async () => (await import('./clean.js')).cleanCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  bench: async () => (await import('./bench.js')).benchCommand(),
  native: async () => (await import('./native.js')).nativeCommand(),
};

/**
 * The `hbp` command. Sets the process's exit code: 0 fine, 1 a run failed, 2 usage or experiment file, 3 data,
 * 4 backend, 5 cluster, 130 interrupted.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const program = await createProgram(argv);
  // A reader such as `head` that has seen enough is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error, program.opts<{ verbose?: true }>().verbose ?? false);
  }
}

async function createProgram(argv: readonly string[]): Promise<Command> {
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
  await addCommands(program, argv);
  exitByThrowing(program);
  return program;
}

/** The command that is named; all of them where none is, for help, and for completions. */
async function addCommands(program: Command, argv: readonly string[]): Promise<void> {
  const named = argv.slice(2).find((argument) => !argument.startsWith('-')) ?? '';
  const own = Object.hasOwn(commands, named) ? commands[named] : undefined;
  for (const load of own ? [own] : Object.values(commands)) program.addCommand(await load());
  if (!own) (await import('./completion.js')).addCompletion(program);
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
