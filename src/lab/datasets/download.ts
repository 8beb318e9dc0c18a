/** One file from the network: resumable, checked, from the first mirror that has it. */
import { open, rm, stat } from 'node:fs/promises';
import { DataError, messageOf } from '../../errors.js';
import { checksumOf } from './checksum.js';
import type { Download } from './kind.js';
import { Patience } from './patience.js';

export interface DownloadProgress {
  readonly file: string;
  readonly received: number;
  /** Absent where the server does not say. */
  readonly total: number | undefined;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** A server that sends nothing for so long has broken off; a minute unless given [ms]. */
  readonly patienceMs?: number | undefined;
}

/** A connection that broke off: trying again goes on from where it stopped. */
class BrokenOff extends DataError {}

const MAX_TRIES = 5;
const usualPatienceMs = 60_000;
/** No dataset's file is as large; a server that never ends shall not fill the disk. */
const MAX_BYTES = 2 ** 30;

/**
 * Downloads into `part`, going on from what is there. Returns when `part` has the right checksum; if it throws, what was
 * received stays for the next time, unless its checksum was wrong.
 *
 * @throws DataError  naming for every mirror what went wrong
 */
export async function download(what: Download, part: string, options: DownloadOptions = {}): Promise<void> {
  const problems: string[] = [];
  for (const url of what.urls) {
    try {
      return await fromMirror(what, url, part, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isFileError(error)) throw new DataError(`${part} cannot be written: ${messageOf(error)}`, { cause: error });
      if (!(error instanceof DataError)) throw error;
      problems.push(`${url} ${error.message}`);
    }
  }
  const kept = (await sizeOf(part)) > 0 ? '; what came so far is kept, run again to go on' : '';
  throw new DataError(`${what.file} could not be downloaded: ${problems.join('; ')}${kept}`);
}

async function fromMirror(what: Download, url: string, part: string, options: DownloadOptions): Promise<void> {
  const { algorithm, digest } = what.checksum;
  for (;;) {
    const before = await sizeOf(part);
    if (before > 0 && (await checksumOf(part, algorithm)).digest === digest) return;
    await receivePersistently(what.file, url, part, options);
    const found = await checksumOf(part, algorithm);
    if (found.digest === digest) return;
    await rm(part);
    // A resumed file may be made of two different ones: that deserves one try from the start.
    if (before === 0) throw new DataError(`sent a file with ${algorithm} ${found.digest}, expected ${digest}`);
  }
}

/** Goes on after a broken connection as long as every try brings something. */
async function receivePersistently(file: string, url: string, part: string, options: DownloadOptions): Promise<void> {
  for (let tries = 1; ; tries++) {
    const before = await sizeOf(part);
    try {
      return await receive(file, url, part, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof BrokenOff) || tries === MAX_TRIES || (await sizeOf(part)) <= before) throw error;
    }
  }
}

async function receive(file: string, url: string, part: string, options: DownloadOptions): Promise<void> {
  const patience = new Patience(options.patienceMs ?? usualPatienceMs);
  try {
    await receiveWith(patience, file, url, part, options);
  } finally {
    patience.end();
  }
}

async function receiveWith(
  patience: Patience,
  file: string,
  url: string,
  part: string,
  { signal, onProgress }: DownloadOptions,
): Promise<void> {
  const have = await sizeOf(part);
  const response = await request(url, have, signal, patience);
  if (response.status === 416) return response.body?.cancel(); // nothing beyond what is there: the checksum decides
  const resumes = response.status === 206;
  const start = resumes ? have : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? undefined : start + Number(length);
  let received = start;
  onProgress?.({ file, received, total });
  let out: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      patience.heard();
      if (received === 0) refuseWebPage(chunk);
      if (received + chunk.length > MAX_BYTES) throw new DataError(`sent more than ${MAX_BYTES} bytes`);
      out ??= await open(part, resumes ? 'a' : 'w');
      await out.write(chunk);
      received += chunk.length;
      onProgress?.({ file, received, total });
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DataError || isFileError(error)) throw error;
    const why = patience.signal.aborted ? `, ${messageOf(patience.signal.reason)}` : '';
    throw new BrokenOff(`broke off after ${received} of ${total ?? '?'} bytes${why}`, { cause: error });
  } finally {
    await out?.close();
  }
  if (received === start) throw new DataError('sent nothing');
}

/** @throws DataError  no answer, or one that is not (the rest of) a file */
async function request(
  url: string,
  have: number,
  signal: AbortSignal | undefined,
  patience: Patience,
): Promise<Response> {
  // Without identity a server may wrap the file in gzip, and fetch would unwrap it.
  const headers = { 'accept-encoding': 'identity', ...(have > 0 ? { range: `bytes=${have}-` } : {}) };
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.any([...(signal ? [signal] : []), patience.signal]) });
  } catch (error) {
    signal?.throwIfAborted();
    const cause = (error as { cause?: unknown }).cause ?? error;
    throw new DataError(`did not answer (${messageOf(cause)})`, { cause: error });
  }
  const problem = problemOf(response, have);
  if (problem === undefined) return response;
  await response.body?.cancel();
  throw new DataError(problem);
}

function problemOf({ status, statusText, headers }: Response, have: number): string | undefined {
  if (status === 206 && !headers.get('content-range')?.startsWith(`bytes ${have}-`)) {
    return `sent another piece than was asked for (${headers.get('content-range') ?? 'no Content-Range'})`;
  }
  if (status === 416 && have > 0) return undefined;
  if (status !== 200 && status !== 206) return `answered ${status} ${statusText}`.trimEnd();
  if (headers.get('content-type')?.startsWith('text/html')) return webPage;
  return undefined;
}

const webPage = 'sent a web page, not the file (is there a proxy or a login in between?)';

function refuseWebPage(firstChunk: Uint8Array): void {
  if (/^\s*</.test(Buffer.from(firstChunk.subarray(0, 64)).toString('latin1'))) throw new DataError(webPage);
}

/** Disk full, no permission: nothing that another try would change. */
function isFileError(error: unknown): boolean {
  const { syscall } = error as { syscall?: unknown };
  return syscall === 'write' || syscall === 'open';
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
