import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../../src/errors.js';
import { download, type DownloadProgress } from '../../../src/lab/datasets/download.js';
import { temporaryFolder } from './fixtures.js';
import { cutAfter, file, page, serve, stallAfter } from './server.js';

const root = temporaryFolder();
const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const md5 = createHash('md5').update(bytes).digest('hex');
let parts = 0;
const freshPart = (): string => join(root, `${parts++}.part`);

const { url, log } = await serve({
  '/good': file(bytes),
  '/whole-only': file(bytes, { resumable: false }),
  '/cut': cutAfter(bytes, 100_000),
  '/cut-whole-only': cutAfter(bytes, 100_000, { resumable: false }),
  '/other': file(Buffer.from(bytes).fill(7, 150_000)),
  '/page': page('text/html; charset=utf-8'),
  '/disguised-page': page('application/octet-stream'),
  '/stalled': stallAfter(bytes, 100_000),
  '/other-piece': (_request, response) =>
    void response.writeHead(206, { 'content-range': 'bytes 5-9/300000' }).end('abcde'),
  '/silent': () => undefined,
  '/stalled-for-ever': (...all) => all[2] === 0 && stallAfter(bytes, 100_000)(...all),
  '/round': (_request, response) => void response.writeHead(302, { location: '/and-round' }).end(),
  '/and-round': (_request, response) => void response.writeHead(302, { location: '/round' }).end(),
  '/empty': (_request, response) => void response.writeHead(200).end(),
});
const from = (...paths: string[]) => ({
  file: 'a.gz',
  checksum: { algorithm: 'md5', digest: md5 } as const,
  urls: paths.map((path) => url + path),
});
const requests = (path: string): string[] => log.filter((line) => line.startsWith(`${path} `));

describe('download', () => {
  it('brings the file and says how far it is', async () => {
    const part = freshPart();
    const seen: DownloadProgress[] = [];
    await download(from('/good'), part, { onProgress: (progress) => seen.push(progress) });
    expect(readFileSync(part).equals(bytes)).toBe(true);
    expect(seen[0]).toEqual({ file: 'a.gz', received: 0, total: 300_000 });
    expect(seen.at(-1)).toEqual({ file: 'a.gz', received: 300_000, total: 300_000 });
  });

  it('goes on from a part', async () => {
    const part = freshPart();
    writeFileSync(part, bytes.subarray(0, 123_456));
    await download(from('/good'), part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
    expect(requests('/good').at(-1)).toBe('/good from 123456');
  });

  it('asks for nothing when everything is there', async () => {
    const part = freshPart();
    writeFileSync(part, bytes);
    await download(from('/nowhere'), part);
    expect(requests('/nowhere')).toEqual([]);
  });

  it('starts over where the server cannot resume', async () => {
    const part = freshPart();
    writeFileSync(part, bytes.subarray(0, 1000));
    await download(from('/whole-only'), part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
  });

  it.each([
    ['of another file', Buffer.alloc(1000, 1)],
    ['longer than the file', Buffer.alloc(300_001, 1)],
  ])('starts over once when it went on from a part %s', async (_what, wrong) => {
    const part = freshPart();
    writeFileSync(part, wrong);
    await download(from('/good'), part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
  });

  it('goes on by itself after a connection that broke off', async () => {
    const part = freshPart();
    await download(from('/cut'), part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
    // How much of a broken connection's data arrives is the network's affair; that none is asked for twice is ours.
    const starts = requests('/cut').map((request) => Number(request.replace('/cut from ', '')));
    expect(starts[0]).toBe(0);
    expect(starts.length).toBeGreaterThan(2);
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
  });

  it('gives up on a short body that never gets longer, and keeps what came', async () => {
    const part = freshPart();
    await expect(download(from('/cut-whole-only'), part)).rejects.toThrow(
      /a\.gz could not be downloaded: .*broke off after 100000 of 300000 bytes; what came so far is kept/,
    );
    expect(readFileSync(part).equals(bytes.subarray(0, 100_000))).toBe(true);
  });

  it.each([
    ['/stalled-for-ever', /did not answer \(nothing came for 0\.3 s\); what came so far is kept, run/, 100_000],
    ['/silent', /did not answer \(nothing came for 0\.3 s\)$/, undefined],
  ])('%s: does not wait for ever', async (path, message, kept) => {
    const part = freshPart();
    await expect(download(from(path), part, { patienceMs: 300 })).rejects.toThrow(message);
    expect(existsSync(part) ? readFileSync(part).length : undefined).toBe(kept);
  });

  it('goes on by itself after a connection that fell silent', async () => {
    const part = freshPart();
    await download(from('/stalled'), part, { patienceMs: 300 });
    expect(readFileSync(part).equals(bytes)).toBe(true);
    expect(requests('/stalled')).toEqual(['/stalled from 0', '/stalled from 100000', '/stalled from 200000']);
  });

  it('refuses a file with another checksum and keeps nothing of it', async () => {
    const part = freshPart();
    await expect(download(from('/other'), part)).rejects.toThrow(
      new RegExp(`/other sent a file with md5 [0-9a-f]{32}, expected ${md5}$`),
    );
    expect(existsSync(part)).toBe(false);
  });

  it.each([
    ['/nowhere', /answered 404 Not Found/],
    ['/page', /sent a web page, not the file/],
    ['/disguised-page', /sent a web page, not the file/],
    ['/empty', /sent nothing/],
    ['/round', /did not answer \(Error: redirect count exceeded\)/],
  ])('%s: says what was wrong and writes nothing', async (path, message) => {
    const part = freshPart();
    await expect(download(from(path), part)).rejects.toThrow(message);
    await expect(download(from(path), part)).rejects.toThrow(DataError);
    expect(existsSync(part)).toBe(false);
  });

  it('leaves a part alone when the answer is not the rest of it', async () => {
    const part = freshPart();
    writeFileSync(part, bytes.subarray(0, 1000));
    await expect(download(from('/other-piece', '/page', '/nowhere'), part)).rejects.toThrow(
      /another piece than was asked for.*web page.*404/,
    );
    expect(readFileSync(part).equals(bytes.subarray(0, 1000))).toBe(true);
  });

  it('says that nobody answers', async () => {
    const nobody = { ...from(), urls: ['http://127.0.0.1:1/a.gz'] };
    await expect(download(nobody, freshPart())).rejects.toThrow(/127\.0\.0\.1:1\/a\.gz did not answer \(/);
  });

  it('takes the next mirror when one fails, going on from what the first one sent', async () => {
    const part = freshPart();
    await download(from('/nowhere', '/cut-whole-only', '/good'), part);
    expect(readFileSync(part).equals(bytes)).toBe(true);
    expect(requests('/good').at(-1)).toBe('/good from 100000');
  });

  it('stops when told to, keeps what came and goes on from there', async () => {
    const part = freshPart();
    const controller = new AbortController();
    const reason = new Error('stop');
    const onProgress = ({ received }: DownloadProgress): void => {
      if (received === 100_000) controller.abort(reason);
    };
    await expect(download(from('/stalled', '/good'), part, { signal: controller.signal, onProgress })).rejects.toBe(
      reason,
    );
    expect(readFileSync(part).length).toBe(100_000);
    await download(from('/good'), part);
    expect(requests('/good').at(-1)).toBe('/good from 100000');
  });
});
