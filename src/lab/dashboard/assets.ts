/** The files that pages are made of: the project's own from dist/web, the drawing libraries as their packages ship them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RunError } from '../../errors.js';

const require = createRequire(import.meta.url);
const built = fileURLToPath(new URL('../../../dist/web/', import.meta.url));

/** In this order: each needs those before it. */
export const libraries = ['vega.min.js', 'vega-lite.min.js', 'vega-embed.min.js'] as const;

/**
 * A file of `dist/web`.
 *
 * @throws RunError  it has not been built
 */
export function ownFile(name: string): string {
  try {
    return readFileSync(join(built, name), 'utf8');
  } catch (error) {
    throw new RunError(`${join(built, name)} is not there: \`npm run build\` makes it`, { cause: error });
  }
}

/** The browser's form of a library lies beside the form that `import` finds. */
export function libraryFile(name: (typeof libraries)[number]): string {
  return readFileSync(join(dirname(require.resolve(name.slice(0, -'.min.js'.length))), name), 'utf8');
}
