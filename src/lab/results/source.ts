/** Where figures and tables take their curves from, whatever keeps them: a run store, the authors' archive. */
import type { ExpandedVariant } from '../config/expand.js';
import type { Metric } from '../config/schema.js';
import { readVariant, type VariantRuns } from './merge.js';

export interface RunSource {
  /** Whose runs these are, for subtitles and tables: `recorded runs`, say. */
  readonly name: string;
  /** The folder they are in. */
  readonly from: string;
  /** Whether these are the authors' own: published figures have axis limits made for them. */
  readonly published?: boolean;
  /** All runs of a variant; read once, however often they are asked for. */
  read(experiment: string, variant: ExpandedVariant): VariantRuns;
}

/** The runs below a folder that `hbp run` wrote, of their metrics those named; absent: all. */
export function storeSource(root: string, name: string, metrics?: readonly Metric[]): RunSource {
  return readingOnce({ name, from: root }, (experiment, variant) =>
    readVariant(root, experiment, variant.name, { metrics }),
  );
}

/** A source by its reading alone: most variants are drawn in six figures or more. */
export function readingOnce(about: Omit<RunSource, 'read'>, read: RunSource['read']): RunSource {
  const known = new Map<string, VariantRuns>();
  return {
    ...about,
    read: (experiment, variant) => {
      const key = `${experiment}/${variant.name}`;
      const runs = known.get(key) ?? read(experiment, variant);
      known.set(key, runs);
      return runs;
    },
  };
}
