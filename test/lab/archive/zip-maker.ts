/** Zip archives, honest ones and others: every field of an entry can be given a value of one's own. */
import { deflateRawSync } from 'node:zlib';
import crc32 from 'crc-32';

export interface ZipEntry {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly stored?: boolean;
  /** General purpose bits besides UTF-8. */
  readonly flags?: number;
  /** Unix file type and permissions. */
  readonly mode?: number;
  /** What the headers say instead of the truth. */
  readonly claimedSize?: number;
  readonly claimedCrc?: number;
}

export function makeZip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const raw = Buffer.from(entry.bytes as Uint8Array);
    const data = entry.stored ? raw : deflateRawSync(raw);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version needed
    common.writeUInt16LE(0x800 | (entry.flags ?? 0), 2);
    common.writeUInt16LE(entry.stored ? 0 : 8, 4);
    common.writeUInt32LE((entry.claimedCrc ?? crc32.buf(raw)) >>> 0, 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(entry.claimedSize ?? raw.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, data]);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, name]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** The files of a tree as entries. */
export function entriesOf(files: Readonly<Record<string, string>>, top = ''): ZipEntry[] {
  return Object.entries(files).map(([path, bytes]) => ({ name: `${top}${path}`, bytes }));
}
