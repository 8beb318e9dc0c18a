import { BackendError, messageOf } from '../../errors.js';
import * as tf from '../tf.js';
import { type Backend, type BackendName, type Candidate, firstLine, Unavailable } from './candidate.js';
import type { BackendChoice } from './names.js';
import { candidates } from './table.js';

export type { Backend, BackendName } from './candidate.js';
export { type BackendChoice, backendNames, parseBackend } from './names.js';

/** The order in which `auto` tries them. */
export const backendOrder: readonly BackendName[] = candidates.map(({ name }) => name);

/** Whether a backend works here and whether `auto` may choose it, or why not and what to do. */
export type BackendProbe = { readonly name: BackendName; readonly needs: string } & (
  | { readonly works: true; readonly auto: boolean; readonly backend: Backend }
  | { readonly works: false; readonly reason: string; readonly remedy: string }
);

/** What was asked for, besides which backend. */
export interface BackendOptions {
  /** CPU threads of backends that use several. The first use in a process decides: libraries keep their threads. */
  readonly threads?: number | undefined;
}

/**
 * Try one backend and leave it current if it works. One that `auto` would pass over is tried by its name.
 *
 * Libraries stay loaded, and one that crashes takes the process with it: probe each in a process of its own.
 */
export async function probeBackend(name: BackendName, { threads }: BackendOptions = {}): Promise<BackendProbe> {
  quiet();
  const candidate = candidates.find((candidate) => candidate.name === name)!;
  const { needs, activate } = candidate;
  try {
    const backend = { name, ...(await activate({ named: false, threads })) };
    return { name, needs, works: true, auto: true, backend };
  } catch (error) {
    try {
      const backend = { name, ...(await activate({ named: true, threads })) };
      const caveat = { reason: firstLine(messageOf(error)), remedy: remedyOf(candidate, error) };
      return { name, needs, works: true, auto: false, backend: { caveat, ...backend } };
    } catch {
      return { name, needs, works: false, reason: firstLine(messageOf(error)), remedy: remedyOf(candidate, error) };
    }
  }
}

/** Try every backend in turn, here. Leaves the last one that works current: choose one afterwards. */
export async function probeBackends(): Promise<BackendProbe[]> {
  const probes: BackendProbe[] = [];
  for (const name of backendOrder) probes.push(await probeBackend(name));
  return probes;
}

/**
 * Make a backend current for everything that follows in this process.
 *
 * @param choice  a name; `auto` takes the first that works; `gpu` takes one that runs on a GPU
 * @throws BackendError  it does not work here: the reason for every candidate, and what to do for a single one
 */
export async function useBackend(choice: BackendChoice = 'auto', { threads }: BackendOptions = {}): Promise<Backend> {
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new BackendError(`threads is a positive integer, not ${threads}`);
  }
  quiet();
  const failures: string[] = [];
  for (const candidate of candidatesFor(choice)) {
    const { name, activate } = candidate;
    try {
      const backend = { name, ...(await activate({ named: choice === name, threads })) };
      if (choice !== 'gpu' || backend.gpu) return backend;
      const { reason, remedy } = backend.caveat ?? notOnGpu(backend);
      failures.push(withRemedy(`${name}: ${reason}`, remedy));
    } catch (error) {
      const remedy = choice === 'auto' ? '' : remedyOf(candidate, error);
      failures.push(withRemedy(`${name}: ${firstLine(messageOf(error))}`, remedy));
    }
  }
  throw new BackendError(
    `no backend for --backend ${choice} (${failures.join('; ')}). \`hbp doctor\` shows what works here; --backend wasm always does`,
  );
}

function candidatesFor(choice: BackendChoice): readonly Candidate[] {
  if (choice === 'auto') return candidates;
  return candidates.filter(({ name, mayUseGpu }) => (choice === 'gpu' ? mayUseGpu : name === choice));
}

function remedyOf({ remedy }: Candidate, error: unknown): string {
  return error instanceof Unavailable ? error.remedy : remedy;
}

function notOnGpu({ description }: Backend): NonNullable<Backend['caveat']> {
  return { reason: `it runs on ${description}, not on a GPU`, remedy: '' };
}

function withRemedy(reason: string, remedy: string): string {
  return remedy === '' ? reason : `${reason} - ${remedy}`;
}

/** No advertisement for other backends on the terminal, no warnings of kernels registered twice. */
function quiet(): void {
  tf.env().set('PROD', true);
}
