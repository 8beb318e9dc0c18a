/** Where figures and tables take their curves from, whatever keeps them: a run store, the authors' archive. */
import type { ExpandedVariant } from '../config/expand.js';
import { readVariant, type VariantRuns, type Wanted } from './merge.js';
import { readAhead } from './read-ahead.js';

export interface RunSource {
  /** Whose runs these are, for subtitles and tables: `recorded runs`, say. */
  readonly name: string;
  /** The folder they are in. */
  readonly from: string;
  /** Whether these are the authors' own: published figures have axis limits made for them. */
  readonly published?: boolean;
  /** All runs of a variant; read once, however often they are asked for. */
  read(experiment: string, variant: ExpandedVariant): VariantRuns;
  /**
   * Reads what will be asked for, where that is faster than one after the other.
   *
   * @param busy  what this thread does meanwhile
   */
  readAhead(variants: readonly VariantOfExperiment[], busy?: Promise<unknown>): Promise<void>;
}

export interface VariantOfExperiment {
  readonly experiment: string;
  readonly variant: ExpandedVariant;
}

/** The runs below a folder that `hbp run` wrote, of them what is wanted. */
export function storeSource(root: string, name: string, wanted: Wanted = {}): RunSource {
  return readingOnce(
    { name, from: root },
    (experiment, variant) => readVariant(root, experiment, variant.name, wanted),
    (variants, busy) =>
      readAhead(
        variants.map(({ experiment, variant: { name: variant } }) => ({ ...wanted, root, experiment, variant })),
        busy,
      ),
  );
}

/**
 * A source by its reading alone: most variants are drawn in six figures or more.
 *
 * @param readMany  null: `read` is as fast
 */
export function readingOnce(
  about: Omit<RunSource, 'read' | 'readAhead'>,
  read: RunSource['read'],
  readMany?: (...asked: Parameters<RunSource['readAhead']>) => Promise<readonly VariantRuns[] | null>,
): RunSource {
  const known = new Map<string, VariantRuns>();
  const keyOf = ({ experiment, variant }: VariantOfExperiment): string => `${experiment}/${variant.name}`;
  return {
    ...about,
    read: (experiment, variant) => {
      const key = keyOf({ experiment, variant });
      const runs = known.get(key) ?? read(experiment, variant);
      known.set(key, runs);
      return runs;
    },
    readAhead: async (variants, busy) => {
      const unknown = [...new Map(variants.map((each) => [keyOf(each), each]))].filter(([key]) => !known.has(key));
      const found =
        (await readMany?.(
          unknown.map(([, each]) => each),
          busy,
        )) ?? [];
      for (const [i, runs] of found.entries()) known.set(unknown[i]![0], runs);
    },
  };
}
