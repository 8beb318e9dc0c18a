import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

export interface DiskSpace {
  readonly folder: string;
  /** Bytes that may be written there; null where the system does not say. */
  readonly free: number | null;
}

/** The space on the disk where a folder is, or where it would be made. */
export function findSpace(folder: string): DiskSpace {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    const { bavail, bsize } = statfsSync(there);
    return { folder, free: bavail * bsize };
  } catch {
    return { folder, free: null };
  }
}
