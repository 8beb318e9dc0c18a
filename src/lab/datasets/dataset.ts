import type { DatasetName } from '../config/schema.js';

/** Pictures as bytes and their classes; a picture is normalised only when it enters a batch. */
export interface Split {
  readonly count: number;
  /** count * height * width * channels bytes, NHWC. */
  readonly images: Uint8Array;
  /** count class indices. */
  readonly labels: Uint8Array;
}

export interface Dataset {
  readonly name: DatasetName;
  /** height, width, channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  /** Per-channel mean and standard deviation after scaling bytes to [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly train: Split;
  readonly test: Split;
  /** `sha256:...` over the bytes in use; goes into run.json. */
  readonly fingerprint: string;
  /** Where it was read from, or how it was generated: one line for a person. */
  readonly source: string;
}

export interface LoadOptions {
  /** Folders to look in, first hit first: that of --data-dir or HBP_DATA_DIR, then the default one. */
  readonly dataDirs: readonly string[];
  /** Take only the first so many samples. */
  readonly trainSamples?: number | undefined;
  readonly testSamples?: number | undefined;
}
