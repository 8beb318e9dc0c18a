import { createHash } from 'node:crypto';
import type { Splits } from './kind.js';

/** `sha256:...` over pictures and labels of both splits; the counts go in so that no two subsets share a hash. */
export function fingerprintOf({ train, test }: Splits): string {
  const hash = createHash('sha256').update(`${train.count} ${test.count}\n`);
  for (const { images, labels } of [train, test]) hash.update(images).update(labels);
  return `sha256:${hash.digest('hex')}`;
}
