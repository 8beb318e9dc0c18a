/** A file server on this machine that misbehaves on request. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FileServer {
  readonly url: string;
  /** `GET /a from 10` for every request so far. */
  readonly log: string[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse, start: number) => void;

/** Serves until the test file is done. Paths without a handler are 404. */
export async function serve(handlers: Record<string, Handler>): Promise<FileServer> {
  const log: string[] = [];
  const server = createServer((request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    log.push(`${request.url} from ${start}`);
    const handler = handlers[request.url ?? ''];
    if (handler) handler(request, response, start);
    else response.writeHead(404).end('nothing here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, log };
}

function head(response: ServerResponse, bytes: Buffer, start: number, resumable: boolean): Buffer {
  const from = resumable ? start : 0;
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  return bytes.subarray(from);
}

/** The file, in pieces if asked. */
export const file =
  (bytes: Buffer, { resumable = true } = {}): Handler =>
  (_request, response, start) => {
    if (resumable && start > 0 && start >= bytes.length) response.writeHead(416).end();
    else response.end(head(response, bytes, start, resumable));
  };

/** Announces the file, sends up to `count` bytes of it and cuts the connection. */
export const cutAfter =
  (bytes: Buffer, count: number, { resumable = true } = {}): Handler =>
  (_request, response, start) => {
    const rest = head(response, bytes, start, resumable);
    if (rest.length <= count) response.end(rest);
    else response.write(rest.subarray(0, count), () => setTimeout(() => response.destroy(), 20));
  };

/** Sends `count` bytes of what is left and then nothing more. */
export const stallAfter =
  (bytes: Buffer, count: number): Handler =>
  (_request, response, start) => {
    const rest = head(response, bytes, start, true);
    if (rest.length <= count) response.end(rest);
    else response.write(rest.subarray(0, count));
  };

export const page =
  (type: string): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': type }).end('<!DOCTYPE html><title>Log in</title>');
  };
