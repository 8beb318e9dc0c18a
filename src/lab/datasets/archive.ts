/** Tar archives (plain or compressed) of dataset files. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { extract, list } from 'tar';
import { DataError, messageOf } from '../../errors.js';

/**
 * Paths of the regular files in an archive.
 *
 * @throws DataError  it is damaged, or holds links or paths that lead out of it: no dataset needs those
 */
export async function listArchive(archive: string): Promise<string[]> {
  const paths: string[] = [];
  let refused: string | undefined;
  await reading(archive, () =>
    list({
      file: archive,
      strict: true,
      onReadEntry: ({ path, type }) => {
        if (type === 'SymbolicLink' || type === 'Link') refused ??= `the link ${path}`;
        if (/^([/\\]|[a-zA-Z]:)/.test(path) || path.split(/[/\\]/).includes('..')) refused ??= `the path ${path}`;
        if (type === 'File' || type === 'OldFile') paths.push(path);
      },
    }),
  );
  if (refused !== undefined) throw new DataError(`${archive} is refused: it holds ${refused}`);
  return paths;
}

/** Unpacks the entries with these paths into `folder`, all directly there. @throws DataError */
export async function unpack(archive: string, paths: readonly string[], folder: string): Promise<void> {
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new DataError(`${archive} holds ${twice} more than once`);
  const tree = join(folder, '.unpacked');
  await mkdir(tree);
  const wanted = new Set(paths);
  await reading(archive, () =>
    extract({ file: archive, cwd: tree, strict: true, preserveOwner: false, filter: (path) => wanted.has(path) }),
  );
  for (const path of paths) await rename(join(tree, path), join(folder, basename(path)));
  await rm(tree, { recursive: true });
}

async function reading(archive: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    throw new DataError(`${archive} is not a whole tar archive: ${messageOf(error)}`, { cause: error });
  }
}
