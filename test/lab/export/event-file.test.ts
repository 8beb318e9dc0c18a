/** TensorBoard's files, byte by byte and by a reader of its own. */
import { PbfReader } from 'pbf';
import { encodeEventFile } from '../../../src/lab/export/event-file.js';

/** CRC-32C bit by bit, of the reversed polynomial 0x82f63b78. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** The messages of a file, both checksums of each checked. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

interface Event {
  wallTime?: number;
  step?: number;
  version?: string;
  scalars?: [string, number][];
}

function decode(data: Uint8Array): Event {
  return new PbfReader(data).readFields((tag, event: Event, pbf) => {
    if (tag === 1) event.wallTime = pbf.readDouble();
    else if (tag === 2) event.step = pbf.readVarint();
    else if (tag === 3) event.version = pbf.readString();
    else if (tag === 5) event.scalars = pbf.readMessage(readSummary, []);
    else throw new Error(`field ${tag}`);
  }, {});
}

function readSummary(tag: number, scalars: [string, number][], pbf: PbfReader): void {
  if (tag !== 1) throw new Error(`field ${tag}`);
  const value: [string, number] = ['', NaN];
  pbf.readMessage((field: number) => {
    if (field === 1) value[0] = pbf.readString();
    else if (field === 2) value[1] = pbf.readFloat();
    else throw new Error(`field ${field}`);
  }, value);
  scalars.push(value);
}

it('checksums are those of the standard', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

it('begins as every event file of TensorFlow does', () => {
  const file = Buffer.from(encodeEventFile(1.5, []));
  expect(file.toString('hex')).toBe(
    // length 24 and its checksum, wall_time, file_version, checksum
    '1800000000000000a37f4b22' + '09000000000000f83f' + '1a0d627261696e2e4576656e743a32' + file.toString('hex', 36),
  );
  expect(recordsOf(file).map(decode)).toEqual([{ wallTime: 1.5, version: 'brain.Event:2' }]);
});

it('holds every scalar with its step and time, whatever the value', () => {
  const events = [
    { wallTime: 1_600_000_000.125, step: 0, scalars: { train_loss: 2.5, test_accuracy: 0.125 } },
    { wallTime: 1_600_000_001, step: 3_000_000_000, scalars: { train_loss: -Infinity, test_accuracy: NaN } },
    { wallTime: 1_600_000_002, step: 7, scalars: {} },
  ];
  const [first, ...others] = recordsOf(Buffer.from(encodeEventFile(1_600_000_000, events))).map(decode);
  expect(first).toEqual({ wallTime: 1_600_000_000, version: 'brain.Event:2' });
  expect(others).toEqual(events.map(({ scalars, ...event }) => ({ ...event, scalars: Object.entries(scalars) })));
});
