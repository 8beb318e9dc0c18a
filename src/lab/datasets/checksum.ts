/** Checksums that the official sources publish. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** `git blob id` is the name that git gives a file: sha1 of `blob <size>\0` and the bytes. */
export interface Checksum {
  readonly algorithm: 'md5' | 'git blob id';
  /** In hexadecimal. */
  readonly digest: string;
}

export function md5(digest: string): Checksum {
  return { algorithm: 'md5', digest };
}

export function gitBlob(digest: string): Checksum {
  return { algorithm: 'git blob id', digest };
}

/** Checksum of a file. */
export async function checksumOf(path: string, algorithm: Checksum['algorithm']): Promise<Checksum> {
  const hash = algorithm === 'md5' ? createHash('md5') : createHash('sha1').update(`blob ${(await stat(path)).size}\0`);
  await pipeline(createReadStream(path), hash);
  return { algorithm, digest: hash.digest('hex') };
}

export async function hasChecksum(path: string, expected: Checksum): Promise<boolean> {
  return (await checksumOf(path, expected.algorithm)).digest === expected.digest;
}
