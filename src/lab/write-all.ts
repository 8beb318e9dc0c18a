import { writeSync } from 'node:fs';

/** Writes all bytes to an open file: a single write may take less, as one that fills the disk does. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
}
