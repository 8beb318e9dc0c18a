import type { Checksum } from './checksum.js';
import type { Dataset, Split } from './dataset.js';
import type { DatasetName } from '../config/schema.js';

/** How many samples of each split. */
export interface Counts {
  readonly train: number;
  readonly test: number;
}

export type Splits = Pick<Dataset, 'train' | 'test'>;

/** What the samples of a dataset are, wherever their bytes come from. */
interface Facts extends Pick<Dataset, 'shape' | 'classes' | 'mean' | 'std'> {
  readonly name: DatasetName;
  /** The whole set. */
  readonly size: Counts;
}

/** One file of an official source. */
export interface Download {
  readonly file: string;
  readonly checksum: Checksum;
  /** Tried in this order. */
  readonly urls: readonly string[];
}

/** A dataset that lies in a folder. */
export interface StoredKind extends Facts {
  readonly origin: 'files';
  /** Where it may lie below a data dir; the first is where hbp puts it. */
  readonly folders: readonly string[];
  /** Its files; each may be there under one of several names. */
  readonly files: readonly (readonly string[])[];
  readonly downloads: readonly Download[];
  /** The downloads are tar archives of the files, not the files themselves. */
  readonly packed: boolean;
  /** A dataset that may stand in for this one, named when it is missing. */
  readonly standIn?: DatasetName;
  /** Sizes and headers, no pixels. @throws DataError */
  readonly check: (folder: string) => Promise<void>;
  /** The first so many samples. @throws DataError */
  readonly read: (folder: string, counts: Counts) => Promise<Splits>;
}

/** A dataset that is computed when asked for. */
export interface GeneratedKind extends Facts {
  readonly origin: 'generated';
  /** How, in one line. */
  readonly recipe: string;
  readonly generate: (counts: Counts) => Splits;
  /** How it is written to files for other programs; hbp itself generates it anew. */
  readonly stored: StoredKind;
  /** The files of the whole set. */
  readonly encode: (splits: Splits) => Iterable<{ file: string; bytes: Uint8Array }>;
}

export type DatasetKind = StoredKind | GeneratedKind;

/** Room for `count` pictures of `pixels` bytes and their labels. */
export function emptySplit(count: number, pixels: number): Split {
  return { count, images: new Uint8Array(count * pixels), labels: new Uint8Array(count) };
}
