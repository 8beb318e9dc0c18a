/** Tar archives (plain or gzipped) of dataset files. */
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PassThrough, pipeline, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract, list, type Parser } from 'tar';
import { DataError, messageOf, printable } from '../../errors.js';

/** Unpacked, all in all: more than any dataset, less than hurts. */
const maxBytes = 512 * 2 ** 20;

/**
 * Paths of the regular files in an archive.
 *
 * @throws DataError  it is damaged, or holds links or paths that lead out of it or too many bytes: no dataset needs those
 */
export async function listArchive(archive: string): Promise<string[]> {
  const paths: string[] = [];
  let refused: string | undefined;
  await feed(
    archive,
    list({
      strict: true,
      onReadEntry: ({ path, type }) => {
        if (type === 'SymbolicLink' || type === 'Link') refused ??= `the link ${path}`;
        if (/^([/\\]|[a-zA-Z]:)/.test(path) || path.split(/[/\\]/).includes('..')) refused ??= `the path ${path}`;
        if (type === 'File' || type === 'OldFile') paths.push(path);
      },
    }),
    'end',
  );
  if (refused !== undefined) throw new DataError(`${archive} is refused: it holds ${printable(refused)}`);
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
  await feed(
    archive,
    extract({ cwd: tree, strict: true, preserveOwner: false, filter: (path) => wanted.has(path) }),
    'close',
  );
  for (const path of paths) await rename(join(tree, path), join(folder, basename(path)));
  await rm(tree, { recursive: true });
}

/**
 * Passes the bytes of an archive to a reader of tar. They are unpacked here, piece by piece: tar would take a bomb into
 * memory first.
 *
 * @param done  what the reader emits when everything has been dealt with
 * @throws DataError
 */
async function feed(archive: string, parser: Parser, done: 'end' | 'close'): Promise<void> {
  try {
    const unpacked = (await isGzipped(archive)) ? createGunzip() : new PassThrough();
    await new Promise<void>((resolve, reject) => {
      parser.on('error', reject).on(done, () => resolve());
      const counted = atMost(maxBytes, archive);
      pipeline(createReadStream(archive), unpacked, counted, (error) => error && reject(error));
      counted.pipe(parser);
    });
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${archive} is not a whole tar archive: ${messageOf(error)}`, { cause: error });
  }
}

function atMost(limit: number, archive: string): Transform {
  let count = 0;
  return new Transform({
    transform: (chunk: Uint8Array, _encoding, callback) => {
      count += chunk.length;
      if (count <= limit) callback(null, chunk);
      else callback(new DataError(`${archive} is refused: it holds more than ${limit} bytes`));
    },
  });
}

async function isGzipped(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b;
  } finally {
    await file.close();
  }
}
