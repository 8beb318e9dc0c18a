/** Zip archives from anywhere: nothing in one is trusted, least of all the sizes that it gives. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import crc32 from 'crc-32';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { DataError, messageOf, printable } from '../../errors.js';
import type { Limits } from './limits.js';
import type { TreeFile } from './tree.js';

/** Of the first file in it, and of an empty archive. */
const starts = new Set([0x504b0304, 0x504b0506]);

/** Whether a file starts as zip archives do; false if it cannot be read. */
export async function looksLikeZip(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && starts.has(buffer.readUInt32BE());
    } finally {
      await file.close();
    }
  } catch {
    return false;
  }
}

/**
 * Unpacks some of an archive's files into `folder`.
 *
 * @param select  of the paths of all files those to take, and where to
 * @throws DataError  it is no zip archive or a damaged one, or is refused: encrypted entries, links, paths that lead out
 *                    of it, more entries or bytes than the limits allow
 */
export async function unpackZip(
  archive: string,
  folder: string,
  select: (paths: readonly string[]) => readonly TreeFile[],
  limits: Limits,
  signal?: AbortSignal,
): Promise<void> {
  const zip = await reading(archive, () => openPromise(archive, { autoClose: false, strictFileNames: true }));
  try {
    const entries = await listFiles(zip, archive, limits);
    const byName = new Map(entries.map((entry) => [entry.fileName, entry]));
    let total = 0;
    for (const { from, to } of select(entries.map(({ fileName }) => fileName))) {
      signal?.throwIfAborted();
      const entry = byName.get(from)!;
      const bytes = await inflate(zip, entry, archive, Math.min(limits.fileBytes, limits.totalBytes - total));
      total += bytes.length;
      await mkdir(dirname(join(folder, to)), { recursive: true });
      await writeFile(join(folder, to), bytes, { flag: 'wx' });
    }
  } finally {
    zip.close();
  }
}

/** All entries but folders, none of them dangerous. */
async function listFiles(zip: ZipFile, archive: string, limits: Limits): Promise<Entry[]> {
  const files: Entry[] = [];
  let count = 0;
  await reading(archive, async () => {
    for await (const entry of zip.eachEntry()) {
      if (++count > limits.entries) throw refused(archive, `more than ${limits.entries} entries`);
      const problem = problemOf(entry);
      if (problem !== undefined) throw refused(archive, problem);
      if (!entry.fileName.endsWith('/')) files.push(entry);
    }
  });
  return files;
}

const linkType = 0o120000;
const typeBits = 0o170000;

function problemOf(entry: Entry): string | undefined {
  const { fileName, generalPurposeBitFlag, externalFileAttributes } = entry;
  // Bit 0: encrypted, bit 13: even the directory is.
  if ((generalPurposeBitFlag & 0b10_0000_0000_0001) !== 0) return `the encrypted ${fileName}`;
  // The upper half is a Unix mode, whatever system the header names as the one that wrote it.
  if (((externalFileAttributes >>> 16) & typeBits) === linkType) return `the link ${fileName}`;
  if (fileName.includes('\0')) return `the path ${fileName}`;
  return undefined;
}

/** The bytes of an entry, counted as they come: what the header says of their number may be a lie. */
async function inflate(zip: ZipFile, entry: Entry, archive: string, limit: number): Promise<Buffer> {
  const tooLarge = (): DataError => refused(archive, `more bytes in ${entry.fileName} than the limit of ${limit}`);
  if (entry.uncompressedSize > limit) throw tooLarge();
  const bytes = await reading(archive, async () => {
    const stream = await zip.openReadStreamPromise(entry);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > limit) throw tooLarge(); // leaving the loop destroys the stream
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  });
  if (crc32.buf(bytes) >>> 0 !== entry.crc32 >>> 0) throw broken(archive, `the checksum of ${entry.fileName} is wrong`);
  return bytes;
}

async function reading<T>(archive: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof DataError) throw error;
    const message = messageOf(error);
    // yauzl's words for a name that leads out of the archive, and for one that nobody can read.
    if (/^(absolute path|invalid relative path|invalid characters in fileName):|^strong encryption/.test(message)) {
      throw refused(archive, message);
    }
    throw broken(archive, message, error);
  }
}

function refused(archive: string, what: string): DataError {
  return new DataError(`${archive} is refused: it holds ${printable(what)}`);
}

function broken(archive: string, why: string, cause?: unknown): DataError {
  return new DataError(`${archive} is not a whole zip archive: ${printable(why)}`, { cause });
}
