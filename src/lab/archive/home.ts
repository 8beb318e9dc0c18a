/** Where the authors' runs are in a data dir. They go by the name `paper`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

export const paperName = 'paper';

export function paperHome(dataDir: string): string {
  return resolve(dataDir, paperName);
}

/** The folder of the authors' runs in the first data dir that has it; undefined where none has. */
export function findPaper(dirs: readonly string[]): string | undefined {
  return dirs.map(paperHome).find((home) => existsSync(home));
}
