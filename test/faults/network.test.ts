/** Servers that cut, stall, lie, loop or send something else: what was there stays, what came in good order is kept. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, messageOf } from '../../src/errors.js';
import { download } from '../../src/lab/datasets/download.js';
import type { Random } from '../../src/lab/random.js';
import { cutAfter, file, type Handler, page, serve, stallAfter } from '../lab/datasets/server.js';
import { faultsOf } from './matrix.js';

const fault = faultsOf('5-network');
const root = mkdtempSync(join(tmpdir(), 'hbp-faults-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const digest = createHash('md5').update(bytes).digest('hex');

/** What the server does to the next request; it gets the bytes that are asked for from a place on. */
let behaviour: Handler = file(bytes);
const { url } = await serve({ '/file': (...all) => behaviour(...all), '/again': (...all) => behaviour(...all) });

type Ending = 'whole' | { readonly refused: RegExp; readonly keeps: 'a part' | 'nothing' };

/** By the name of the fault: how the server behaves, and how the download ends. */
const faults: Readonly<Record<string, readonly [behave: (random: Random) => Handler, ending: Ending]>> = {
  'connection cut, goes on from there': [(random) => cutAfter(bytes, 50_000 + random.int(100_000)), 'whole'],
  'connection cut, server cannot go on': [
    (random) => cutAfter(bytes, 1 + random.int(150_000), { resumable: false }),
    { refused: /broke off after \d+ of 200000 bytes; what came so far is kept/, keeps: 'a part' },
  ],
  'connection stalled, goes on from there': [(random) => stallAfter(bytes, 70_000 + random.int(100_000)), 'whole'],
  'no answer at all': [() => () => undefined, { refused: /did not answer \(nothing came for/, keeps: 'nothing' }],
  'file too short': [
    (random) => file(bytes.subarray(0, 1 + random.int(199_999)), { resumable: false }),
    { refused: /sent a file with md5 [0-9a-f]{32}, expected/, keeps: 'nothing' },
  ],
  'file too long': [
    (random) => file(Buffer.concat([bytes, Buffer.alloc(1 + random.int(1000))])),
    { refused: /sent a file with md5/, keeps: 'nothing' },
  ],
  'wrong checksum: one flipped bit': [
    (random) => {
      const other = Buffer.from(bytes);
      other[random.int(other.length)]! ^= 1 << random.int(8);
      return file(other);
    },
    { refused: /sent a file with md5/, keeps: 'nothing' },
  ],
  'HTML instead of data': [
    (random) => page(random.int(2) === 0 ? 'text/html' : 'application/octet-stream'),
    { refused: /sent a web page, not the file/, keeps: 'nothing' },
  ],
  'redirect loop': [
    () => (request, response) =>
      void response.writeHead(302, { location: request.url === '/file' ? '/again' : '/file' }).end(),
    { refused: /redirect count exceeded/, keeps: 'nothing' },
  ],
  'error of the server': [
    (random) => (_request, response) => void response.writeHead([403, 404, 429, 500, 503][random.int(5)]!).end('no'),
    { refused: /answered \d{3} /, keeps: 'nothing' },
  ],
  'connection reset': [
    () => (_request, response) => void response.destroy(),
    { refused: /did not answer \(/, keeps: 'nothing' },
  ],
};

for (const [what, [behave, ending]] of Object.entries(faults)) {
  fault(`download: ${what}`, { short: 2, long: 25 }, async (random, i) => {
    behaviour = behave(random);
    const part = join(root, `${what.replace(/\W+/g, '-')}-${i}.part`);
    const from = { file: 'a.gz', checksum: { algorithm: 'md5', digest } as const, urls: [`${url}/file`] };
    const outcome: unknown = await download(from, part, { patienceMs: 400 }).catch((error: unknown) => error);
    if (ending === 'whole') {
      expect(outcome).toBeUndefined();
      expect(readFileSync(part).equals(bytes)).toBe(true);
      return;
    }
    expect(outcome).toBeInstanceOf(DataError);
    expect(messageOf(outcome)).toMatch(ending.refused);
    expect(messageOf(outcome)).not.toContain('\n');
    if (ending.keeps === 'nothing') expect(existsSync(part)).toBe(false);
    else expect(bytes.subarray(0, readFileSync(part).length).equals(readFileSync(part))).toBe(true);
    // With a server in good order the next call brings the file, from wherever it stands.
    behaviour = file(bytes);
    await download(from, part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
    expect(readdirSync(root).filter((name) => !name.endsWith('.part'))).toEqual([]);
  });
}
