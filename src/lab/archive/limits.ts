/** How much of an archive or a folder is taken: far more than the authors' runs, far less than a disk. */
export interface Limits {
  /** Entries of any kind. */
  readonly entries: number;
  /** Bytes of one file, unpacked. */
  readonly fileBytes: number;
  /** Bytes of all files that are kept, unpacked. */
  readonly totalBytes: number;
}

export const defaultLimits: Limits = { entries: 100_000, fileBytes: 16 * 2 ** 20, totalBytes: 512 * 2 ** 20 };
