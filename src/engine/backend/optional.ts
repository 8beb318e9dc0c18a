import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';

/** An optional package that is not there or does not load. */
export class NotLoaded extends Error {
  constructor(
    message: string,
    readonly kind: 'not installed' | 'native library' | 'other',
    cause: unknown,
  ) {
    super(message, { cause });
    this.name = 'NotLoaded';
  }
}

/**
 * Load an optional package. Its name is a value, so that the project compiles without it.
 *
 * @throws NotLoaded  in a few words: not installed, or why it does not load
 */
export async function importOptional(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    const message = messageOf(error);
    const code = (error as NodeJS.ErrnoException | null)?.code;
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)) {
      throw new NotLoaded(`${name} is not installed`, 'not installed', error);
    }
    const isLibrary = code === 'ERR_DLOPEN_FAILED' || /native addon module/.test(message);
    throw new NotLoaded(`${name}: ${message}`, isLibrary ? 'native library' : 'other', error);
  }
}

/** The version that an installed package gives in its package.json, or `unknown`. */
export function packageVersion(name: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version?: string };
      if (version !== undefined) return version;
    } catch {
      // Not in this folder; the next one up.
    }
  }
  return 'unknown';
}
