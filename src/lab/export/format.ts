import type { VariantToExport } from './runs.js';

export interface ExportFile {
  /** Below the variant's folder, with slashes. */
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** A way to write the runs of a variant. */
export interface ExportFormat {
  /** In one line, for a person. */
  readonly description: string;
  /** Where the variant's runs go below the output folder, with slashes. */
  readonly folder: (variant: VariantToExport) => string;
  readonly files: (variant: VariantToExport) => Iterable<ExportFile>;
  /** What a reader of the files should know. */
  readonly remarks: (variant: VariantToExport) => readonly string[];
}
