/**
 * hbp installed in a folder of its own, without the native addon and with stand-ins on disk for packages that cannot be
 * had everywhere: needs `npm run build` (make test sees to it).
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Installation {
  readonly folder: string;
  /** Run a program text as a module of the installed package. */
  readonly evaluate: (code: string, environment?: NodeJS.ProcessEnv, ...nodeFlags: string[]) => Promise<Ended>;
  /** Run the command; `cwd` is the folder. */
  readonly hbp: (args: readonly string[], environment?: NodeJS.ProcessEnv) => Promise<Ended>;
  readonly remove: () => void;
}

/** Optional packages: not there unless a stand-in is given. */
const absent = ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-backend-webgpu', 'webgpu'];

/** @param standIns  CommonJS text of each package's index.js by its name */
export function install(standIns: Readonly<Record<string, string>>): Installation {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hbp-installed-')));
  for (const part of ['dist', 'bin', 'experiments', 'package.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  for (const name of packagesOf(join(root, 'node_modules'))) {
    if (absent.includes(name)) continue;
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(join(root, 'node_modules', name)), link);
  }
  for (const [name, code] of Object.entries(standIns)) {
    const place = join(folder, 'node_modules', name);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version: '4.22.0', main: 'index.js' }));
    writeFileSync(join(place, 'index.js'), code);
  }
  const start = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> =>
    run(args, folder, environment);
  return {
    folder,
    evaluate: (code, environment, ...flags) => start([...flags, '--input-type=module', '--eval', code], environment),
    hbp: (args, environment) => start([join(folder, 'bin/hbp.js'), ...args], environment),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function packagesOf(modules: string): string[] {
  return readdirSync(modules).flatMap((name) => {
    if (name.startsWith('.')) return [];
    return name.startsWith('@') ? readdirSync(join(modules, name)).map((part) => `${name}/${part}`) : [name];
  });
}

/** None of the caller's choices reaches the process; empty ones are removed. */
const neutral = {
  NO_COLOR: '1',
  ...{ NODE_OPTIONS: '', HBP_BACKEND: '', HBP_THREADS: '', HBP_DATA_DIR: '', HBP_NATIVE_ADDON: '' },
  ...{ OMP_NUM_THREADS: '', OMP_WAIT_POLICY: '', GOMP_SPINCOUNT: '' },
  ...{ TF_NUM_INTRAOP_THREADS: '', TF_FORCE_GPU_ALLOW_GROWTH: '' },
};

function run(args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...neutral, ...environment };
  for (const [name, value] of Object.entries(env)) if (value === '') delete env[name];
  const child = spawn(process.execPath, args, { cwd, env });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (output.stdout += String(text)));
  child.stderr.on('data', (text) => (output.stderr += String(text)));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...output })));
}
