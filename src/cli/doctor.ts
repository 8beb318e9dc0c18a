import { resolve } from 'node:path';
import { Command } from 'commander';
import { printReport } from './doctor/print.js';
import { dataDirs, folders, printJson } from './shared.js';

/** `hbp doctor`: what works on this machine, and why the rest does not. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('show what works on this machine: backends, their speed, datasets, space')
    .option('--data-dir <dir>', 'where datasets are (also HBP_DATA_DIR)')
    .option('--no-bench', 'measure nothing (else about two seconds for each backend that works)')
    .option('--support', 'show which layers and losses work with which curvature instead')
    .option('--json', 'print JSON: all of it, GFLOP/s and bytes')
    .addHelpText(
      'after',
      `
Examples:
  hbp doctor
  hbp doctor --no-bench
  hbp doctor --json
  hbp doctor --support

✔ works, ! works but is slow or could be better, ✘ does not work. Exit code 0 if a backend can train, that is any but
the reference \`cpu\`, else 4. The share of the peak is that of all cores, even for a backend of one thread.`,
    )
    .action(doctor);
}

interface DoctorOptions {
  dataDir?: string;
  bench: boolean;
  json?: true;
  support?: true;
}

async function doctor({ dataDir, bench, json, support }: DoctorOptions): Promise<void> {
  // Loaded here, as the engine takes as long to load as all the rest of the program.
  if (support) return (await import('./doctor/support.js')).printSupport(json);
  const { examine } = await import('../lab/doctor/index.js');
  const where = dataDirs(dataDir);
  const report = await examine({
    dataDirs: where,
    folders: [...new Set([...where.slice(0, -1), resolve('data'), folders.figures()])],
    bench,
    onBackend: (name) => announce(`looking at ${name} ...`),
  });
  announce('');
  if (json) printJson(report);
  else printReport(report);
  if (!report.canTrain) process.exitCode = 4;
}

/** One line that the next replaces, for people who wait. */
function announce(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
