/**
 * TensorBoard's event files: records of protocol buffers, each framed as
 *
 *   length (uint64), masked crc32c of the length, bytes, masked crc32c of the bytes      (all little-endian)
 *
 * Of the message Event: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5; a Summary is a
 * list (1) of values with tag = 1 (string) and simple_value = 2 (float).
 */
import crc32c from 'crc-32/crc32c.js';
import { PbfWriter } from 'pbf';

export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  /** By tag. */
  readonly scalars: Readonly<Record<string, number>>;
}

/** A whole event file. @param wallTime when it was begun [seconds since 1970] */
export function encodeEventFile(wallTime: number, events: readonly ScalarEvent[]): Uint8Array {
  return Buffer.concat([record(versionEvent(wallTime)), ...events.map((event) => record(scalarEvent(event)))]);
}

function versionEvent(wallTime: number): Uint8Array {
  const event = new PbfWriter();
  event.writeDoubleField(1, wallTime);
  event.writeStringField(3, 'brain.Event:2');
  return event.finish();
}

function scalarEvent({ wallTime, step, scalars }: ScalarEvent): Uint8Array {
  const event = new PbfWriter();
  event.writeDoubleField(1, wallTime);
  event.writeVarintField(2, step);
  event.writeMessage(5, writeSummary, scalars);
  return event.finish();
}

function writeSummary(scalars: ScalarEvent['scalars'], summary: PbfWriter): void {
  for (const scalar of Object.entries(scalars)) summary.writeMessage(1, writeValue, scalar);
}

function writeValue([tag, value]: [string, number], message: PbfWriter): void {
  message.writeStringField(1, tag);
  message.writeFloatField(2, value);
}

function record(data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

/** A checksum of bytes that themselves hold checksums is weak: TensorFlow rotates it by 15 bits and adds a constant. */
function maskedCrc(data: Uint8Array): Uint8Array {
  const crc = crc32c.buf(data) >>> 0;
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}
