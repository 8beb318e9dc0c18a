/**
 * diagnostics.jsonl beside metrics.csv: one line an evaluation, what its update looked like layer by layer. Written for
 * those who watch; no figure and no table depends on it. Runs recorded before hbp wrote it have none.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Its name in a run folder. */
export const diagnosticsFile = 'diagnostics.jsonl';

/** Null in the file stands for a number that is not finite. */
const norm = z.number().nullable();
const layerSchema = z.object({
  /** Place of the parameter in the network: `2.weight`. */
  path: z.string(),
  /** Euclidean norms of the batch's gradient and of what the update added. */
  gradientNorm: norm,
  updateNorm: norm,
  /** How CG ended on the row blocks of the parameter; only of CG-Newton. */
  cg: z
    .object({
      iterations: z.object({ least: z.number(), mean: z.number(), most: z.number() }),
      /** How many blocks ended for which reason (`CgStop`). */
      stops: z.record(z.string(), z.number()),
    })
    .exactOptional(),
});
const recordSchema = z.object({
  step: z.number(),
  epoch: z.number(),
  /** alpha of CG-Newton, the damping of K-FAC; null for an optimiser without. */
  damping: norm,
  layers: z.array(layerSchema),
});

export type DiagnosticsRecord = z.infer<typeof recordSchema>;
export type LayerDiagnostics = z.infer<typeof layerSchema>;

/** Where a run's diagnostics go. */
export interface DiagnosticsSink {
  append(record: DiagnosticsRecord): void;
}

/** Appends to the file in a run folder. The line of step 1 begins it anew: what an earlier run left is gone. */
export function diagnosticsWriter(dir: string): DiagnosticsSink {
  const path = join(dir, diagnosticsFile);
  return {
    append: (record) => {
      const line = `${JSON.stringify(record)}\n`;
      if (record.step === 1) writeFileSync(path, line);
      else appendFileSync(path, line);
    },
  };
}

/**
 * The records of a text, by step. Tolerant: lines that hbp does not understand are left out, a torn last line too. A run
 * that goes on from an earlier state repeats steps: the later line counts, and what lay after it is gone.
 */
export function parseDiagnostics(text: string): DiagnosticsRecord[] {
  const records: DiagnosticsRecord[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const record = parseLine(line);
    if (!record) continue;
    while ((records.at(-1)?.step ?? -Infinity) >= record.step) records.pop();
    records.push(record);
  }
  return records;
}

function parseLine(line: string): DiagnosticsRecord | undefined {
  if (line === '') return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The records of a run folder; none where there is no such file. */
export function readDiagnostics(dir: string): DiagnosticsRecord[] {
  try {
    return parseDiagnostics(readFileSync(join(dir, diagnosticsFile), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
