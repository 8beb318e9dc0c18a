/** run.json: what a run was asked to do, where it ran, and what became of it. */
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, messageOf } from '../../errors.js';
import { datasetSchema, modelSchema, optimizerSchema } from '../config/schema.js';
import type { RunSpec } from '../config/spec.js';
import { writeWhole } from '../whole-file.js';
import { metricsColumns, type MetricsRow } from './metrics.js';
import { ownerSchema } from './owner.js';
import { readText } from './read-text.js';

export const runSpecSchema: z.ZodType<RunSpec> = z.object({
  experiment: z.string(),
  variant: z.string(),
  label: z.string(),
  seed: z.number(),
  dataset: datasetSchema,
  trainSamples: z.number().exactOptional(),
  testSamples: z.number().exactOptional(),
  model: modelSchema,
  optimizer: optimizerSchema,
  batchSize: z.number(),
  testBatchSize: z.number(),
  epochs: z.number(),
  evaluationsPerEpoch: z.number(),
});

/** Where a run's numbers come from besides its spec; the trainer knows it. */
export const environmentSchema = z.object({
  versions: z.object({ hbp: z.string(), node: z.string(), tfjs: z.string() }),
  backend: z.string(),
  /** Of the package or library that computed; runs recorded before hbp wrote it lack this and `isa`. */
  backendVersion: z.string().exactOptional(),
  /** The CPU threads of its kernels. Some results depend on it in their last digits. */
  threads: z.number().int().positive(),
  /** The instruction set that the kernels were chosen for; null where the backend does not say. */
  isa: z.string().nullable().exactOptional(),
  cpu: z.string(),
  gpu: z.string().nullable(),
  dataset: z.object({ name: datasetSchema, fingerprint: z.string(), source: z.string() }),
  /** Of the checkout hbp runs from; null where there is none. */
  commit: z.string().nullable(),
});
export type RunEnvironment = z.infer<typeof environmentSchema>;

/** JSON knows no NaN: `null` in the file stands for a number that is not finite. */
const numberOrNaN = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);
const rowSchema = z.object(
  Object.fromEntries(metricsColumns.map((column) => [column, numberOrNaN])) as Record<
    keyof MetricsRow,
    typeof numberOrNaN
  >,
);

const time = z.iso.datetime();

/** Where a run went on after it had ended early or crashed. */
export const continuationSchema = z.object({
  at: time,
  step: z.number().int().nonnegative(),
  /** What of the environment was other than before: `threads 1 -> 2`. */
  changes: z.array(z.string()),
});
export type Continuation = z.infer<typeof continuationSchema>;

const recordSchema = environmentSchema.extend({
  spec: runSpecSchema,
  specHash: z.string(),
  state: z.enum(['running', 'done', 'failed', 'interrupted']),
  /** Why a run failed or was interrupted. */
  reason: z.string().nullable(),
  /** Of a failed run: the numbers are to blame, and would be again. */
  diverged: z.literal(true).exactOptional(),
  startedAt: time,
  heartbeatAt: time,
  finishedAt: time.nullable(),
  /** Of training, over all the times that it went on; what was lost with a crash does not count. */
  wallSeconds: z.number(),
  /** Ways of exact products that the last step took, by place; only of such runs. */
  routes: z.record(z.string(), z.string()).exactOptional(),
  /** Every time that the run went on; `environment` is that of the last. */
  continued: z.array(continuationSchema).exactOptional(),
  owner: ownerSchema,
  lastRow: rowSchema.nullable(),
});
export type RunRecord = z.infer<typeof recordSchema>;
/** Thousands of records are read at a time. */
const compiledSchema = z.compile(recordSchema, { strict: true });

export const recordFile = 'run.json';

/** Writes run.json whole or not at all. */
export function writeRecord(dir: string, record: RunRecord): void {
  writeWhole(join(dir, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Reads run.json.
 *
 * @throws DataError  it is missing or not what hbp writes
 */
export function readRecord(dir: string): RunRecord {
  const path = join(dir, recordFile);
  let content: unknown;
  try {
    content = JSON.parse(readText(path));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(`${path}: ${missing ? 'missing' : `unreadable: ${messageOf(error)}`}`, { cause: error });
  }
  const parsed = compiledSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DataError(`${path}: ${issue?.path.join('.')}: ${issue?.message}`);
}
