/** The authors' runs as curves, for figures and tables. Loads neither datasets nor anything that trains. */
import { mergeSeeds, type VariantRuns } from '../results/merge.js';
import { readingOnce, type RunSource } from '../results/source.js';
import { readReceipt } from '../receipt.js';
import { readArchivedVariant } from './read.js';

/**
 * @param root  the folder that holds the folders of the experiments
 * @throws DataError  what it was installed from cannot be told: its receipt is damaged
 */
export async function archiveSource(root: string): Promise<RunSource> {
  const official = (await readReceipt(root))?.official ?? false;
  const name = official ? "the authors' runs" : "runs imported in the authors' layout";
  return readingOnce({ name, from: root, published: true }, (experiment, variant): VariantRuns => {
    const { seeds, remarks } = readArchivedVariant(root, experiment, variant);
    const merged = mergeSeeds(seeds);
    const epochs = Math.round(merged.steps.at(-1)?.epoch ?? 0);
    return {
      merged,
      runs: seeds,
      training: merged.steps.length > 0 ? { dataset: 'cifar10', epochs } : null,
      missingSeeds: [],
      unfinished: [],
      mixedSpecs: [],
      remarks,
    };
  });
}
