/**
 * Checkpoints of a run: all that its training needs to go on as if it had never stopped, and its metrics so far. There
 * are up to two in a run folder, the newest and the one before it; each is whole or not there.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../errors.js';
import { continuationSchema, environmentSchema, runSpecSchema } from './record.js';
import { type Entry, readContainer, readMetadata, writeContainer } from './safetensors.js';

/** Where a training stands after a step. */
export interface Checkpoint {
  /** Steps taken. */
  readonly step: number;
  /** Samples seen / training samples. */
  readonly epoch: number;
  /** States of the generators; that of `shuffle` at the beginning of the epoch of the next step. */
  readonly random: { readonly shuffle: readonly number[]; readonly subset: readonly number[] };
  /** Milliseconds of training so far, and those among them that are not counted as steps. */
  readonly clock: { readonly wallMs: number; readonly asideMs: number };
  /** What a step was allowed, see `Resources`; null: as much as it needed. */
  readonly memoryLimit: number | null;
  /** Of the optimiser. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Parameters and what the optimiser carries. */
  readonly arrays: Readonly<Record<string, FloatArray>>;
}

/** Row-major. */
export interface FloatArray {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const aboutSchema = z.object({
  spec: runSpecSchema,
  /** See `courseHash`. */
  course: z.string(),
  environment: environmentSchema,
  startedAt: z.iso.datetime(),
  continued: z.array(continuationSchema),
  step: z.number().int().positive(),
  epoch: z.number().positive(),
  random: z.object({ shuffle: z.array(z.number().int()).length(4), subset: z.array(z.number().int()).length(4) }),
  clock: z.object({ wallMs: z.number(), asideMs: z.number() }),
  memoryLimit: z.number().nullable(),
  numbers: z.record(z.string(), z.number()),
});

/** Whose a checkpoint is. */
export type CheckpointAbout = Omit<z.infer<typeof aboutSchema>, keyof Checkpoint>;

/** A checkpoint as it is stored. */
export interface StoredCheckpoint extends CheckpointAbout {
  readonly state: Checkpoint;
  /** Content of metrics.csv up to here. */
  readonly metrics: string;
}

/** To be raised whenever the meaning of what is stored changes: an older file is not used then. */
const version = '1';
const kind = 'hbp checkpoint';

const newest = 'checkpoint.safetensors';
const before = 'checkpoint.previous.safetensors';
const partial = 'checkpoint.partial';

/**
 * Stores a checkpoint beside the one that was the newest. It is on the disk when this returns; a crash meanwhile leaves
 * those that were there.
 */
export function writeCheckpoint(dir: string, { state, metrics, ...about }: StoredCheckpoint): void {
  const { arrays, ...position } = state;
  const entries: Record<string, Entry> = {};
  for (const [name, { shape, values }] of Object.entries(arrays)) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    entries[name] = { dtype: 'F32', shape, bytes };
  }
  const text = Buffer.from(metrics);
  entries[metricsName] = { dtype: 'U8', shape: [text.byteLength], bytes: text };
  const metadata = { kind, version, about: JSON.stringify({ ...about, ...position }) };
  const path = join(dir, partial);
  try {
    writeContainer(path, { metadata, entries });
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  if (existsSync(join(dir, newest))) renameSync(join(dir, newest), join(dir, before));
  renameSync(path, join(dir, newest));
}

const metricsName = 'metrics.csv';

/** A checkpoint file that was found: what it holds, or why that cannot be used. */
export type FoundCheckpoint =
  { readonly file: string; readonly stored: StoredCheckpoint } | { readonly file: string; readonly damage: string };

/** The checkpoints of a run folder, the newest first; each is read when it is asked for. */
export function* checkpointsOf(dir: string): Generator<FoundCheckpoint> {
  for (const file of [newest, before]) {
    if (!existsSync(join(dir, file))) continue;
    try {
      yield { file, stored: readCheckpoint(join(dir, file)) };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      yield { file, damage: error.message };
    }
  }
}

/**
 * One checkpoint file.
 *
 * @throws DataError  it is not there, damaged, or none of hbp
 */
export function readCheckpoint(path: string): StoredCheckpoint {
  const { metadata, entries } = readContainer(path);
  const { random, clock, step, epoch, memoryLimit, numbers, ...about } = parseAbout(metadata);
  const { [metricsName]: metrics, ...rest } = entries;
  if (!metrics) throw new DataError('it holds no metrics');
  const arrays = Object.entries(rest).map(([name, { shape, bytes }]) => {
    const values = new Float32Array(bytes.byteLength / 4);
    new Uint8Array(values.buffer).set(bytes);
    return [name, { shape, values }] as const;
  });
  const state = { random, clock, step, epoch, memoryLimit, numbers, arrays: Object.fromEntries(arrays) };
  return { ...about, state, metrics: Buffer.from(metrics.bytes).toString('utf8') };
}

function parseAbout(metadata: Readonly<Record<string, string>>): z.infer<typeof aboutSchema> {
  const { kind: foundKind, version: foundVersion, about = '' } = metadata;
  if (foundKind !== kind) throw new DataError('it is no checkpoint of hbp');
  if (foundVersion !== version) {
    throw new DataError(`its version is ${foundVersion}, and this hbp reads version ${version}`);
  }
  let content: unknown;
  try {
    content = JSON.parse(about);
  } catch (error) {
    throw new DataError('what it says of itself is no JSON', { cause: error });
  }
  const parsed = aboutSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DataError(`what it says of itself is wrong at ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Where a run would go on, from the first bytes of its newest checkpoint that has them right; null: nowhere. */
export function checkpointAhead(dir: string): { readonly step: number; readonly epoch: number } | null {
  for (const file of [newest, before]) {
    const path = join(dir, file);
    if (!existsSync(path)) continue;
    try {
      const { step, epoch } = parseAbout(readMetadata(path));
      return { step, epoch };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return null;
}

/** Makes the given file the newest: one that cannot be used would push it out at the next write. */
export function goOnFrom(dir: string, file: string): void {
  if (file !== newest) renameSync(join(dir, file), join(dir, newest));
}

/** Removes all but the newest. */
export function keepNewest(dir: string): void {
  for (const file of [before, partial]) rmSync(join(dir, file), { force: true });
}

export function removeCheckpoints(dir: string): void {
  rmSync(join(dir, newest), { force: true });
  keepNewest(dir);
}
