/**
 * The dashboard's server. It listens on 127.0.0.1 alone, answers GET alone, and serves a fixed list of files and the
 * numbers of runs that it has listed itself: no path of a request ever becomes a path of the disk. Requests that name
 * another host are refused, so that no page of the web can read through a name that it points to 127.0.0.1.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, RunError } from '../../errors.js';
import type { Experiment } from '../config/schema.js';
import { metricsColumns } from '../results/metrics.js';
import type { DashboardState, ExperimentInfo, RunsMessage } from './api.js';
import { libraries, libraryFile, ownFile } from './assets.js';
import { catalogue } from './catalogue.js';
import { EventHub } from './event-hub.js';
import { LiveStore } from './live-store.js';
import { machineNow } from './machine.js';

export interface DashboardOptions {
  /** The folder of the runs; it need not be there yet. */
  readonly root: string;
  /** The same as the user knows it. */
  readonly rootName: string;
  readonly version: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Those whose titles and colours are known. */
  readonly experiments: readonly Experiment[];
  readonly onProblem: (message: string) => void;
}

export interface Dashboard {
  /** `http://127.0.0.1:8080/` */
  readonly url: string;
  close(): Promise<void>;
}

const address = '127.0.0.1';
const machineEveryMs = 4000;

/** Scripts and styles come from this server alone; nothing may be embedded, posted or asked for elsewhere. */
const securityHeaders = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

interface Asset {
  readonly type: string;
  readonly content: string;
}

/**
 * Serves a run store until closed.
 *
 * @throws RunError  the port is taken, or the page has not been built
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const assets = loadAssets();
  const hub = new EventHub();
  let told: readonly ExperimentInfo[] = [];
  const store: LiveStore = await LiveStore.open({
    root: options.root,
    listener: {
      onRuns: (changed, removed) => {
        const experiments = catalogue(options.experiments, store.runs);
        const isNew = JSON.stringify(experiments) !== JSON.stringify(told);
        told = experiments;
        hub.send('runs', { changed, removed, ...(isNew && { experiments }) } satisfies RunsMessage);
      },
      onRows: (message) => hub.send('rows', message),
      onDiagnostics: (message) => hub.send('diagnostics', message),
      onProblem: options.onProblem,
    },
  });
  const machine = setInterval(() => {
    if (hub.clients > 0) hub.send('machine', machineNow(store.summaries));
  }, machineEveryMs).unref();

  const state = (): DashboardState => ({
    root: options.rootName,
    version: options.version,
    experiments: catalogue(options.experiments, store.runs),
    runs: store.summaries,
    machine: machineNow(store.summaries),
  });
  const server = createServer((request, response) => {
    answer(request, response, { assets, hub, store, state, port: portOf(server) }).catch((error: unknown) => {
      options.onProblem(messageOf(error));
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'The server failed; its terminal says why.');
    });
  });
  try {
    await listen(server, options.port);
  } catch (error) {
    store.close();
    hub.close();
    clearInterval(machine);
    throw error;
  }
  return {
    url: `http://${address}:${portOf(server)}/`,
    close: () =>
      new Promise((resolve) => {
        clearInterval(machine);
        store.close();
        hub.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function loadAssets(): ReadonlyMap<string, Asset> {
  const javascript = 'text/javascript; charset=utf-8';
  return new Map<string, Asset>([
    ['/', { type: 'text/html; charset=utf-8', content: ownFile('dashboard.html') }],
    ['/dashboard.js', { type: javascript, content: ownFile('dashboard.js') }],
    ['/page.css', { type: 'text/css; charset=utf-8', content: ownFile('page.css') }],
    ['/dashboard.css', { type: 'text/css; charset=utf-8', content: ownFile('dashboard.css') }],
    ['/icon.svg', { type: 'image/svg+xml', content: ownFile('icon.svg') }],
    ...libraries.map((name): [string, Asset] => [`/${name}`, { type: javascript, content: libraryFile(name) }]),
  ]);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function listen(server: Server, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => resolve());
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${code})`;
    throw new RunError(`port ${port} ${why}: --port names another one`, { cause: error });
  }
}

interface Context {
  readonly assets: ReadonlyMap<string, Asset>;
  readonly hub: EventHub;
  readonly store: LiveStore;
  readonly state: () => DashboardState;
  readonly port: number;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
  const hosts = [`${address}:${context.port}`, `localhost:${context.port}`];
  if (!hosts.includes(request.headers.host ?? '')) {
    return refuse(response, 403, `Only for ${hosts.join(' and ')}.`);
  }
  if (request.method !== 'GET') {
    response.setHeader('Allow', 'GET');
    return refuse(response, 405, 'Only GET.');
  }
  const url = parseUrl(request.url ?? '/');
  if (!url) return refuse(response, 400, 'Not an address.');
  const asset = context.assets.get(url.pathname);
  if (asset) return send(response, asset.type, asset.content);
  const { store, hub } = context;
  switch (url.pathname) {
    case '/api/state':
      return send(response, 'application/json', JSON.stringify(context.state()));
    case '/api/rows':
      return sendRows(response, store, url.searchParams);
    case '/api/diagnostics': {
      const found = await store.diagnostics(url.searchParams.get('run') ?? '');
      return found ? send(response, 'application/json', JSON.stringify(found)) : refuse(response, 404, 'No such run.');
    }
    case '/api/events':
      response.setHeader('Content-Type', 'text/event-stream');
      if (!hub.add(response)) refuse(response, 503, 'Too many pages are open.');
      return;
    default:
      return refuse(response, 404, 'Nothing here.');
  }
}

function parseUrl(path: string): URL | null {
  try {
    return new URL(path, `http://${address}`);
  } catch {
    return null;
  }
}

/** One line a run, as they are read: `?experiment=exp01&column=step&column=train_loss`, or `?run=exp01/sgd/seed0&..`. */
async function sendRows(response: ServerResponse, store: LiveStore, query: URLSearchParams): Promise<void> {
  const columns = query.getAll('column');
  const known: readonly string[] = metricsColumns;
  if (columns.length === 0 || columns.some((column) => !known.includes(column))) {
    return refuse(response, 400, `column: one or more of ${metricsColumns.join(', ')}.`);
  }
  const [experiment, run] = [query.get('experiment'), query.get('run')];
  const runs = store.summaries.filter((each) => (run === null ? each.experiment === experiment : each.name === run));
  response.setHeader('Content-Type', 'application/x-ndjson');
  for (const { name } of runs) {
    const rows = await store.rows(name, columns);
    if (!rows) continue;
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(rows)}\n`)) await drained(response);
  }
  response.end();
}

/** Until the client has read, or gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function send(response: ServerResponse, type: string, content: string): void {
  response.setHeader('Content-Type', type);
  response.end(content);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.statusCode = status;
  send(response, 'text/plain; charset=utf-8', `${message}\n`);
}
