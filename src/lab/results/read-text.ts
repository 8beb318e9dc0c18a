/** Texts of small files. */
import { closeSync, openSync, readSync } from 'node:fs';

const buffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * The text of a file, UTF-8. `readFileSync` makes a buffer for each, which takes as long again: that counts where there
 * are thousands of runs.
 *
 * @throws Error  as `readFileSync` throws
 */
export function readText(path: string): string {
  const file = openSync(path, 'r');
  try {
    let bytes = buffer; // a longer file has its own, which does not stay
    let length = 0;
    for (;;) {
      if (length === bytes.length) bytes = Buffer.concat([bytes], 2 * length);
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) return bytes.toString('utf8', 0, length);
      length += read;
    }
  } finally {
    closeSync(file);
  }
}
