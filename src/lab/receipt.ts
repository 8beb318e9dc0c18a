import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.js';

/** Written beside a dataset that hbp put in place: what it was then. */
const receiptSchema = z.object({
  source: z.string().describe('where it came from'),
  official: z.boolean().describe('the source had the published checksum'),
  fingerprint: z.string().describe('of the whole set'),
  archive: z
    .object({ bytes: z.number().int().describe('size'), blob: z.string().describe('git blob id') })
    .exactOptional()
    .describe("the zip that the authors' runs came from"),
});
export type Receipt = z.infer<typeof receiptSchema>;

const fileName = 'hbp-receipt.json';

export async function writeReceipt(folder: string, receipt: Receipt): Promise<void> {
  await writeFile(join(folder, fileName), `${JSON.stringify(receipt, null, 2)}\n`);
}

/** The receipt of a folder; undefined where hbp did not write one. @throws DataError it is unreadable */
export async function readReceipt(folder: string): Promise<Receipt | undefined> {
  const path = join(folder, fileName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return receiptSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new DataError(`${path} is damaged: delete it, or import the dataset again`, { cause: error });
  }
}
