/** Finds and starts the peers: raw oneDNN calls (peers/raw.cc) and PyTorch (peers/torch_steps.py). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../dist/errors.js';
import { PeerProcess } from './peer-process.js';

const folder = fileURLToPath(new URL('../bench/', import.meta.url));
const source = `${folder}peers/raw.cc`;
const torchScript = `${folder}peers/torch_steps.py`;

/** A peer that answers, or the reason why there is none. */
export type Peer = { readonly process: PeerProcess; readonly info: string } | { readonly absent: string };

/** Compile peers/raw.cc, with oneDNN if it is there, and start it. The compiler is CXX or g++; DNNLROOT is heeded. */
export async function startRaw(threads: number): Promise<Peer> {
  try {
    const process = new PeerProcess(compileRaw(), [], threads);
    return { process, info: await process.ask('info') };
  } catch (error) {
    return { absent: `peers/raw.cc: ${messageOf(error)}` };
  }
}

/**
 * Start the PyTorch script with the first Python that has torch.
 *
 * @param device  as torch names it
 */
export async function startTorch(threads: number, device: string): Promise<Peer> {
  const reasons: string[] = [];
  for (const python of pythons()) {
    const peer = new PeerProcess(python, [torchScript, String(threads), device], threads);
    try {
      return { process: peer, info: await peer.ask('info') };
    } catch (error) {
      peer.stop();
      reasons.push(`${python}: ${messageOf(error)}`);
    }
  }
  return { absent: reasons.join('; ') };
}

/** Where a Python with torch may be: HBP_PYTHON, python3 or /usr/bin/python3. */
export function pythons(): string[] {
  return [process.env['HBP_PYTHON'] ?? [], 'python3', '/usr/bin/python3'].flat();
}

/** @returns the program's path @throws Error  the compiler is absent or fails, with its first complaint */
function compileRaw(): string {
  const withDnnl = `${folder}build/raw-dnnl`;
  const withoutDnnl = `${folder}build/raw`;
  const ready = [withDnnl, withoutDnnl].find(isNewer);
  if (ready) return ready;
  mkdirSync(`${folder}build`, { recursive: true });
  const root = process.env['DNNLROOT'];
  const where = root ? [`-I${root}/include`, `-L${root}/lib`, `-Wl,-rpath,${root}/lib`] : [];
  try {
    compile(withDnnl, ['-DWITH_DNNL', ...where], ['-ldnnl']);
    return withDnnl;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error;
    compile(withoutDnnl, [], []);
    return withoutDnnl;
  }
}

function compile(program: string, flags: readonly string[], libraries: readonly string[]): void {
  const compiler = process.env['CXX'] ?? 'g++';
  const common = ['-std=c++17', '-O3', '-march=native', '-fopenmp'];
  try {
    execFileSync(compiler, [...common, ...flags, source, '-o', program, ...libraries], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    const complaint = /^.*error.*$/m.exec(stderr?.toString() ?? '')?.[0] ?? messageOf(error);
    throw Object.assign(new Error(code === 'ENOENT' ? `no compiler ${compiler}` : complaint), { code });
  }
}

function isNewer(program: string): boolean {
  return existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs;
}
