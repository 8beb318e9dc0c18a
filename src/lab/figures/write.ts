import { dirname, join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { messageOf, RunError } from '../../errors.js';
import { makeFolder } from '../make-folder.js';
import { writeWhole } from '../whole-file.js';

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
export function writeFigure(outDir: string, name: string, contents: readonly FigureFile[]): string[] {
  const files = contents.map(([extension]) => join(outDir, `${name}.${extension}`));
  try {
    makeFolder(dirname(join(outDir, name)));
    for (const [i, [, content]] of contents.entries()) writeWhole(files[i] ?? '', content);
  } catch (error) {
    throw new RunError(`cannot write figure ${name} to ${outDir}: ${messageOf(error)}`, { cause: error });
  }
  return files;
}
