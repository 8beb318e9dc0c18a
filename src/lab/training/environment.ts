import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../../engine/backend/index.js';
import { version_core } from '../../engine/tf.js';
import type { Dataset } from '../datasets/dataset.js';
import type { RunEnvironment } from '../results/record.js';

const packageFile = new URL('../../../package.json', import.meta.url);

/** What decided a run's numbers besides its spec, for run.json. */
export function environmentOf(backend: Backend, { name, fingerprint, source }: Dataset): RunEnvironment {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return {
    versions: { hbp: version, node: process.version, tfjs: version_core },
    backend: backend.name,
    backendVersion: backend.version,
    threads: backend.threads,
    isa: backend.isa ?? null,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    gpu: backend.gpu ? (backend.adapter ?? backend.description) : null,
    dataset: { name, fingerprint, source },
    commit: commit(),
  };
}

/** The commit of the checkout that this package runs from; null for an installed package. */
function commit(): string | null {
  try {
    const cwd = fileURLToPath(new URL('.', packageFile));
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    // A package installed below somebody else's checkout must not report that one's commit.
    return git('ls-files', 'package.json') === 'package.json' ? git('rev-parse', 'HEAD') : null;
  } catch {
    return null;
  }
}
