/** What the measurement ran on. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import * as tf from '../dist/engine/tf.js';
import type { Machine } from './results.js';

const root = new URL('../', import.meta.url);
/** Where the system does not say. */
const assumedCacheBytes = 32 * 2 ** 20;

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    cacheBytes: cacheBytes() ?? assumedCacheBytes,
    os: `${type()} ${release()}`,
  };
}

export function versions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
  return { hbp: version, node: process.version, tfjs: tf.version_core };
}

/** The checkout's commit, with a plus sign if files differ from it; null without git. */
export function commit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: fileURLToPath(root),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short=12', 'HEAD') + (changed ? '+' : '');
  } catch {
    return null;
  }
}

/** Size of the last-level cache as Linux tells it. */
function cacheBytes(): number | null {
  const folder = '/sys/devices/system/cpu/cpu0/cache';
  try {
    const sizes = readdirSync(folder).flatMap((name) => {
      if (!name.startsWith('index')) return [];
      const [, number, unit] = /^(\d+)([KMG])/.exec(readFileSync(`${folder}/${name}/size`, 'utf8')) ?? [];
      return number ? [Number(number) * { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[unit as 'K' | 'M' | 'G']] : [];
    });
    return sizes.length > 0 ? Math.max(...sizes) : null;
  } catch {
    return null;
  }
}
