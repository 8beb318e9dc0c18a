/** Runs in the formats of other programs. A new one is a file beside this and a line in the table. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError, messageOf, RunError } from '../../errors.js';
import type { ExportFormat } from './format.js';
import { original } from './original.js';
import { recordFile } from '../results/record.js';
import { makeFolder } from '../make-folder.js';
import { makeStaging, moveInto } from '../staging.js';
import type { VariantToExport } from './runs.js';
import { tensorboard } from './tensorboard.js';

export const exportFormats = { original, tensorboard } satisfies Record<string, ExportFormat>;
export type ExportFormatName = keyof typeof exportFormats;
export const exportFormatNames = Object.keys(exportFormats) as ExportFormatName[];

export interface Exported {
  readonly experiment: string;
  readonly variant: string;
  readonly seeds: readonly number[];
  /** Fewest and most evaluations of a seed. */
  readonly evaluations: readonly [number, number];
  readonly folder: string;
  /** How many files were written. */
  readonly files: number;
  readonly remarks: readonly string[];
}

/**
 * Writes variants into `outDir`, each into a folder of its own that appears once it is complete.
 *
 * @param force  replace such folders that are there
 * @throws DataError  a folder is there already, or two variants would share one; nothing is written then
 * @throws RunError   a file cannot be written
 */
export async function exportRuns(
  variants: readonly VariantToExport[],
  format: ExportFormat,
  outDir: string,
  { force = false }: { readonly force?: boolean | undefined } = {},
): Promise<Exported[]> {
  const placed = variants.map((variant) => ({ variant, folder: join(outDir, format.folder(variant)) }));
  for (const [i, { variant, folder }] of placed.entries()) {
    const twin = placed.slice(0, i).find((other) => other.folder === folder);
    if (twin) {
      throw new DataError(
        `${nameOf(twin.variant)} and ${nameOf(variant)} would both be written to ${folder}: name one`,
      );
    }
    if (holdsRuns(folder)) throw new DataError(`${folder} holds runs themselves: name another folder with --out`);
    if (existsSync(folder) && !force) throw new DataError(`${folder} is there already; --force replaces it`);
  }
  const exported: Exported[] = [];
  for (const { variant, folder } of placed) exported.push(await writeVariant(variant, format, folder));
  return exported;
}

/** A run store is never written into, whatever `force` says. */
function holdsRuns(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => existsSync(join(folder, name, recordFile)));
}

async function writeVariant(variant: VariantToExport, format: ExportFormat, folder: string): Promise<Exported> {
  let files = 0;
  try {
    makeFolder(dirname(folder));
    const staging = await makeStaging(folder);
    try {
      for (const { path, content } of format.files(variant)) {
        await mkdir(dirname(join(staging, path)), { recursive: true });
        await writeFile(join(staging, path), content);
        files++;
      }
      await moveInto(folder, staging);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } catch (error) {
    throw new RunError(`cannot write ${nameOf(variant)} to ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const { experiment, seeds, remarks } = variant;
  const counts = seeds.map(({ rows }) => rows.length);
  return {
    experiment,
    variant: variant.variant,
    seeds: seeds.map(({ seed }) => seed),
    evaluations: [Math.min(...counts), Math.max(...counts)],
    folder,
    files,
    remarks: [...remarks, ...format.remarks(variant)],
  };
}

function nameOf({ experiment, variant }: VariantToExport): string {
  return `${experiment}/${variant}`;
}
