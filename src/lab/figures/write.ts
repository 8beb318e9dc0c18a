import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import writeFileAtomic from 'write-file-atomic';
import { messageOf, RunError } from '../../errors.js';

/** The extension of a file and what is in it. */
export type FigureFile = readonly [extension: string, content: string | Buffer];

/** The spec as it lies beside every figure. */
export function specFile(spec: TopLevelSpec): FigureFile {
  return ['vl.json', `${JSON.stringify(spec, null, 2)}\n`];
}

/**
 * Writes the files of a figure, `<outDir>/<name>.<extension>`, each whole or not at all.
 *
 * @returns their paths
 * @throws RunError  a file cannot be written
 */
export async function writeFigure(outDir: string, name: string, contents: readonly FigureFile[]): Promise<string[]> {
  const files = contents.map(([extension]) => join(outDir, `${name}.${extension}`));
  try {
    mkdirSync(dirname(join(outDir, name)), { recursive: true });
    for (const [i, [, content]] of contents.entries()) await writeFileAtomic(files[i] ?? '', content);
  } catch (error) {
    throw new RunError(`cannot write figure ${name} to ${outDir}: ${messageOf(error)}`, { cause: error });
  }
  return files;
}
