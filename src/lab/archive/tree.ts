/** Finds the authors' tree among the paths of an archive or a folder. */
import { DataError } from '../../errors.js';
import { archivedMetricFiles, publishedFolders, seedOfName } from './layout.js';

export interface TreeFile {
  /** Where it is in the archive or folder. */
  readonly from: string;
  /** EXPERIMENT/KIND/RUN/[seedN/]METRIC.csv */
  readonly to: string;
}

/** What such names are made of; anything else needs no place on a disk. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,200}$/;

/**
 * The metric files of the tree, wherever in the archive it starts: that is where most of them lie.
 *
 * @param paths  with slashes; every one that is not taken counts as left out
 * @throws DataError  there is none, or one path twice
 */
export function findTree(paths: readonly string[], where: string): { files: TreeFile[]; leftOut: number } {
  const byStart = new Map<string, TreeFile[]>();
  for (const from of paths) {
    const { start, to } = placeOf(from) ?? {};
    if (start === undefined || to === undefined) continue;
    const files = byStart.get(start);
    if (files) files.push({ from, to });
    else byStart.set(start, [{ from, to }]);
  }
  const [files] = [...byStart.values()].sort((a, b) => b.length - a.length);
  if (!files) {
    throw new DataError(
      `${where} holds no runs in the authors' layout (${publishedFolders[0]}/cifar10/RUN/seed0/train_loss.csv, ...)`,
    );
  }
  const seen = new Set<string>();
  for (const { to } of files) {
    if (seen.has(to)) throw new DataError(`${where} is refused: it holds ${to} more than once`);
    seen.add(to);
  }
  return { files, leftOut: paths.length - files.length };
}

/** Where the tree would start for this path to be in it, and its place there. */
function placeOf(path: string): { start: string; to: string } | undefined {
  const parts = path.split('/');
  if (!archivedMetricFiles.includes(parts.at(-1) ?? '')) return undefined;
  const depth = seedOfName(parts.at(-2) ?? '') === undefined ? 4 : 5;
  const inside = parts.slice(-depth);
  if (inside.length < depth || !inside.every((name) => plainName.test(name))) return undefined;
  return { start: parts.slice(0, -depth).join('/'), to: inside.join('/') };
}
