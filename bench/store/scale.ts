/** `scale`: what the numbers of docs/scale.md that are measured come from. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commit, machine, versions } from '../machine.js';
import { say } from '../say.js';
import { quartiles } from '../statistics.js';
import { experimentName, makeStore } from './make.js';
import type { Machine } from '../results.js';

export interface ScaleOptions {
  readonly runs: number;
  readonly quick: boolean;
  readonly backend: string;
  readonly out: string;
}

/** A command over the store of many runs, done several times. */
export interface CommandCost {
  readonly command: string;
  /** From its start to its end, and of the processor meanwhile: medians. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Peak resident memory, the highest. */
  readonly bytes: number;
}

export interface SideBySide {
  readonly variant: string;
  readonly backend: string;
  readonly rows: readonly { readonly jobs: number; readonly threads: number; readonly stepsPerSecond: number }[];
}

export interface ScaleResults {
  readonly date: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly quick: boolean;
  /** Load average before and after. */
  readonly load: readonly [number, number];
  readonly jobs: readonly SideBySide[];
  readonly store: {
    readonly runs: number;
    readonly variants: number;
    readonly rowsPerRun: number;
    /** Of the files. */
    readonly bytes: number;
    /** How often each command was done; all of them in turn, so that a slow minute does not hit one alone. */
    readonly repetitions: number;
    readonly commands: readonly CommandCost[];
  };
}

const hbpFile = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
const sideBySide = ['exp01/sgd', 'exp01/cg-pch-abs', 'exp08/adam'];

export function measureScale({ runs, quick, backend, out }: ScaleOptions): Promise<ScaleResults> {
  const before = loadavg()[0] ?? NaN;
  const jobs = (quick ? sideBySide.slice(0, 1) : sideBySide).map((variant) => {
    const args = ['bench', variant, '--backend', backend, '--seconds', quick ? '1' : '15', '--json'];
    const { measured } = JSON.parse(hbp(args, '.').stdout) as {
      measured: { name: string; jobs: number; threads: number; stepsPerSecond: number }[];
    };
    const rows = measured.map(({ jobs, threads, stepsPerSecond }) => ({ jobs, threads, stepsPerSecond }));
    say(`${variant}: ${rows.map((row) => `${row.jobs} jobs ${row.stepsPerSecond.toPrecision(3)} steps/s`).join(', ')}`);
    return { variant, backend: measured[0]?.name ?? '', rows };
  });
  const results: ScaleResults = {
    ...{ date: new Date().toISOString(), commit: commit(), machine: machine(), versions: versions(), quick },
    jobs,
    store: measureStore(runs, quick ? { epochs: 5, repetitions: 1 } : { epochs: 100, repetitions: 5 }),
    load: [before, loadavg()[0] ?? NaN],
  };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`);
  say(`written to ${out}`);
  return Promise.resolve(results);
}

interface StoreOptions {
  readonly epochs: number;
  readonly repetitions: number;
}

function measureStore(runs: number, { epochs, repetitions }: StoreOptions): ScaleResults['store'] {
  const folder = mkdtempSync(join(tmpdir(), 'hbp-many-'));
  try {
    const seeds = Math.min(100, runs);
    const variants = Math.ceil(runs / seeds);
    const { bytes } = makeStore(folder, { variants, seeds, epochs });
    const figure = `${experimentName}/train_loss`;
    const asked = [['status'], ['list', experimentName], ['plot', figure, '--format', 'svg'], ['plot', figure]];
    const costs = Array.from({ length: repetitions }, () => asked.map((args) => hbp(args, folder).cost));
    const commands = asked.map((_, i): CommandCost => {
      const all = costs.map((cost) => cost[i]!);
      const median = (of: (cost: CommandCost) => number): number => quartiles(all.map(of)).median;
      return {
        command: all[0]!.command,
        seconds: median(({ seconds }) => seconds),
        cpuSeconds: median(({ cpuSeconds }) => cpuSeconds),
        bytes: Math.max(...all.map((cost) => cost.bytes)),
      };
    });
    for (const { command, seconds, bytes: peak } of commands)
      say(`${command}: ${seconds.toFixed(1)} s, ${(peak / 1e6).toFixed(0)} MB`);
    return { runs: variants * seeds, variants, rowsPerRun: epochs + 1, bytes, repetitions, commands };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The command as a process that writes down at its end what it took. */
function hbp(args: readonly string[], cwd: string): { stdout: string; cost: CommandCost } {
  const scratch = mkdtempSync(join(tmpdir(), 'hbp-cost-'));
  const file = join(scratch, 'usage.json');
  const atExit = `import { writeFileSync } from 'node:fs';
    process.on('exit', () => writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.resourceUsage())));`;
  const hook = `data:text/javascript,${encodeURIComponent(atExit)}`;
  try {
    const began = performance.now();
    const stdout = execFileSync(process.execPath, ['--import', hook, hbpFile, ...args], {
      ...{ cwd, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'] },
    });
    const seconds = (performance.now() - began) / 1000;
    const usage = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.ResourceUsage;
    const cpuSeconds = (usage.userCPUTime + usage.systemCPUTime) / 1e6;
    const command = ['hbp', ...args].join(' ');
    return { stdout, cost: { command, seconds, cpuSeconds, bytes: usage.maxRSS * 1024 } };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
