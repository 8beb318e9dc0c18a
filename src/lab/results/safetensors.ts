/**
 * The safetensors container (https://huggingface.co/docs/safetensors): the length of a JSON header as a 64-bit integer, the
 * header, then the raw little-endian bytes of every entry. The last entry, `sha256`, is the digest of all bytes before it.
 * Any reader of the format opens such a file; only this one checks the digest.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync } from 'node:fs';
import { z } from 'zod';
import { DataError, messageOf } from '../../errors.js';
import { writeAll } from '../write-all.js';

/** An array by its bytes. */
export interface Entry {
  readonly dtype: 'F32' | 'U8';
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface Container {
  readonly metadata: Readonly<Record<string, string>>;
  readonly entries: Readonly<Record<string, Entry>>;
}

const bytesOf = { F32: 4, U8: 1 };
const digestName = 'sha256';
const digestBytes = 32;
/** A header of more is none. */
const mostHeaderBytes = 100 * 2 ** 20;

const natural = z.number().int().nonnegative();
const headerSchema = z
  .object({ __metadata__: z.record(z.string(), z.string()).default({}) })
  .catchall(
    z.object({ dtype: z.enum(['F32', 'U8']), shape: z.array(natural), data_offsets: z.tuple([natural, natural]) }),
  );

/** Writes a file that is on the disk, whole, when this returns; it replaces one that is there. */
export function writeContainer(path: string, { metadata, entries }: Container): void {
  const digest = { dtype: 'U8', shape: [digestBytes], bytes: new Uint8Array(digestBytes) } as const;
  let end = 0;
  const described = Object.entries({ ...entries, [digestName]: digest }).map(([name, { dtype, shape, bytes }]) => {
    const start = end;
    end += bytes.byteLength;
    return [name, { dtype, shape, data_offsets: [start, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(described) });
  const header = Buffer.from(json + ' '.repeat(-Buffer.byteLength(json) & 7)); // so that floats are aligned
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.byteLength));

  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  try {
    for (const bytes of [length, header, ...Object.values(entries).map(({ bytes }) => bytes)]) {
      hash.update(bytes);
      writeAll(file, bytes);
    }
    writeAll(file, hash.digest());
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads what `writeContainer` wrote.
 *
 * @throws DataError  the file is missing, torn or damaged: why, without its name
 */
export function readContainer(path: string): Container {
  const file = readable(() => readFileSync(path));
  const header = parseHeader(file);
  const digest = file.subarray(-digestBytes);
  if (!createHash('sha256').update(file.subarray(0, -digestBytes)).digest().equals(digest)) {
    throw new DataError('its checksum is wrong');
  }
  const described = Object.entries(header.entries).filter(([name]) => name !== digestName);
  const entries = described.map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [start, end],
      },
    ]) => {
      const bytes = file.subarray(header.bytes + start, header.bytes + end);
      return [name, { dtype, shape, bytes }] as const;
    },
  );
  return { metadata: header.metadata, entries: Object.fromEntries(entries) };
}

/**
 * The metadata alone, without a look at the rest.
 *
 * @throws DataError  as `readContainer`, as far as the header tells
 */
export function readMetadata(path: string): Readonly<Record<string, string>> {
  const file = readable(() => openSync(path, 'r'));
  try {
    const length = Buffer.alloc(8);
    readSync(file, length);
    const size = headerBytes(length, fstatSync(file).size);
    const head = Buffer.alloc(8 + size);
    readSync(file, head, { position: 0 });
    return parseJson(head.subarray(8)).__metadata__;
  } finally {
    closeSync(file);
  }
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DataError(`it cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

type Described = z.infer<typeof headerSchema>;

/** The header, checked: its entries fill the file without gaps. */
function parseHeader(file: Buffer) {
  const bytes = 8 + headerBytes(file, file.byteLength);
  const { __metadata__: metadata, ...entries } = parseJson(file.subarray(8, bytes));
  let end = 0;
  for (const { dtype, shape, data_offsets: offsets } of Object.values(entries as Omit<Described, '__metadata__'>)) {
    const size = shape.reduce((product, n) => product * n, bytesOf[dtype]);
    if (offsets[0] !== end || offsets[1] - offsets[0] !== size)
      throw new DataError('its entries do not fit its header');
    end = offsets[1];
  }
  const last = Object.keys(entries).at(-1);
  if (last !== digestName || bytes + end !== file.byteLength) throw new DataError('it is torn');
  return { metadata, bytes, entries: entries as Omit<Described, '__metadata__'> };
}

function headerBytes(start: Buffer, fileBytes: number): number {
  if (fileBytes < 8) throw new DataError('it is torn');
  const size = start.readBigUInt64LE(0);
  if (size > mostHeaderBytes || Number(size) > fileBytes - 8) throw new DataError('it is torn');
  return Number(size);
}

function parseJson(bytes: Buffer): Described {
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new DataError('its header is no JSON', { cause: error });
  }
  const parsed = headerSchema.safeParse(content);
  if (!parsed.success) throw new DataError('its header is not that of a checkpoint');
  return parsed.data;
}
