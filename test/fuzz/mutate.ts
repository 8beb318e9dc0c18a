/** Inputs for readers: bytes of valid files, changed at random, and now and then bytes from nowhere. */
import fc from 'fast-check';

interface Edit {
  readonly kind: 'flip' | 'overwrite' | 'insert' | 'delete' | 'repeat' | 'truncate' | 'swap';
  /** Where, and how far, as parts of the length. */
  readonly at: number;
  readonly reach: number;
  readonly bytes: Uint8Array;
}

/** What breaks parsers more often than chance would. */
const nasty = [
  ...[
    'NaN',
    '-1',
    '1e999',
    '9007199254740993',
    '0x',
    'null',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    ',',
    '\n',
    '\r\n',
    '\t',
    '\0',
  ],
  ...[
    '&a',
    '*a',
    '!!js/function',
    '!!binary',
    '<<: *a',
    '---\n',
    '- - - - ',
    '__proto__',
    'constructor',
    '\u2028',
    '😀',
  ],
  ...['%', '../', '/', '\\', '\ufeff', '1e-400', '[[[[[[[[[[[[[[[[', '{{{{{{{{', 'ÿ', '4294967296'],
].map((text) => new Uint8Array(Buffer.from(text)));
const extremes = [0, 255, 127, 128].map((value) => new Uint8Array(8).fill(value));

const part = fc.double({ min: 0, max: 1, noNaN: true });
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('flip', 'overwrite', 'insert', 'delete', 'repeat', 'truncate', 'swap'),
  at: part,
  reach: fc.oneof(
    part,
    part.map((x) => x / 50),
  ),
  bytes: fc.oneof(fc.constantFrom(...nasty, ...extremes), fc.uint8Array({ minLength: 1, maxLength: 40 })),
});

/** @param valid  files to begin with */
export function mutated(...valid: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const edits = fc.array(edit, { minLength: 1, maxLength: 6 });
  const changed = fc.tuple(fc.constantFrom(...valid), edits).map(([base, all]) => all.reduce(apply, Buffer.from(base)));
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: noise });
}

function apply(file: Buffer, { kind, at, reach, bytes }: Edit): Buffer {
  const start = Math.floor(at * file.length);
  const end = Math.min(file.length, start + 1 + Math.floor(reach * (file.length - start)));
  const [before, middle, after] = [file.subarray(0, start), file.subarray(start, end), file.subarray(end)];
  switch (kind) {
    case 'flip':
      return Buffer.concat([
        before,
        middle.subarray(0, 1).map((byte) => byte ^ (bytes[0] ?? 1)),
        file.subarray(start + 1),
      ]);
    case 'overwrite':
      return Buffer.concat([before, bytes, file.subarray(start + bytes.length)]);
    case 'insert':
      return Buffer.concat([before, bytes, middle, after]);
    case 'delete':
      return Buffer.concat([before, after]);
    case 'repeat':
      return Buffer.concat([before, middle, middle, after]);
    case 'truncate':
      return before;
    case 'swap':
      return Buffer.concat([after, middle, before]);
  }
}
