/** The dashboard's server as a client sees it: needs `npm run build` for the files of the page. */
import { get, request, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { loadAllExperiments } from '../../../src/lab/config/load.js';
import type { DashboardState, RowsMessage } from '../../../src/lab/dashboard/api.js';
import { type Dashboard, startDashboard } from '../../../src/lab/dashboard/server.js';
import { temporaryFolder } from '../results/support.js';
import { appendRow, rowAt, until, writeRun } from './fixtures.js';

const folder = temporaryFolder();
const experiments = loadAllExperiments('experiments');
let dashboard: Dashboard;
const problems: string[] = [];

beforeEach(async () => {
  dashboard = await startDashboard({
    ...{ root: folder.path, rootName: 'data/runs', version: '1.2.3', port: 0, experiments },
    onProblem: (message) => problems.push(message),
  });
});
afterEach(async () => {
  await dashboard.close();
  expect(problems).toEqual([]);
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** The path goes out as it is written: fetch would tidy it up. */
function ask(path: string, options: RequestOptions = {}): Promise<Answer> {
  const { hostname, port } = new URL(dashboard.url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('answers this machine alone, by its own name', async () => {
  const { hostname, port } = new URL(dashboard.url);
  expect(hostname).toBe('127.0.0.1');
  expect((await ask('/', { headers: { host: `localhost:${port}` } })).status).toBe(200);
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port}.evil.example`, ' ']) {
    const { status, body } = await ask('/api/state', { headers: { host } });
    expect({ host, status }).toEqual({ host, status: 403 });
    expect(body).not.toContain('exp01');
  }
  // Another address of the loopback network stands for any other one.
  await expect(
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.2', () => resolve(socket.destroy()));
      socket.on('error', reject);
    }),
  ).rejects.toThrow('ECONNREFUSED');
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('%s is refused', async (method) => {
  const { status, headers } = await ask('/api/state', { method });
  expect(status).toBe(405);
  expect(headers.allow).toBe('GET');
});

test('every answer says what a page of it may do', async () => {
  for (const path of ['/', '/dashboard.js', '/api/state', '/nowhere']) {
    const { headers } = await ask(path);
    const policy = headers['content-security-policy'] as string;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  }
});

test('serves the page and the libraries, and nothing else of the disk', async () => {
  const { body } = await ask('/');
  const linked = [...body.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path!);
  expect(linked.length).toBeGreaterThan(5);
  for (const path of new Set(linked)) expect({ path, status: (await ask(path)).status }).toEqual({ path, status: 200 });
  expect(body).not.toMatch(/https?:/);
  writeRun(folder.path);
  for (const path of [
    ...['/../package.json', '/..%2fpackage.json', '/%2e%2e/%2e%2e/etc/passwd', '//etc/passwd', '/dashboard.html'],
    ...['/vega.js', '/exp01/sgd/seed0/run.json', '/api', '/api/rows/', '/constructor', '/__proto__'],
  ]) {
    expect({ path, status: (await ask(path)).status }).toEqual({ path, status: 404 });
  }
  for (const run of ['../../etc/passwd', '..', '', '/etc/passwd', 'exp01/sgd/../../..', '__proto__']) {
    const query = new URLSearchParams({ run });
    expect((await ask(`/api/diagnostics?${query.toString()}`)).status).toBe(404);
    const rows = await ask(`/api/rows?${query.toString()}&column=step`);
    expect(rows).toMatchObject({ status: 200, body: '' });
  }
  expect((await ask('http://[')).status).toBe(400);
});

test('the state: runs, experiments with the colours of the figures, the machine', async () => {
  writeRun(folder.path, { variant: 'cg-ggn', label: 'CG (GGN)' });
  writeRun(folder.path, { experiment: 'mine', variant: 'own', label: '<b>' }, 4, {
    ...{ state: 'running', finishedAt: null, wallSeconds: 1 },
    lastRow: { ...rowAt(3), epoch: 0.5, wall_s: 1, train_wall_s: 0.5 },
  });
  let state: DashboardState | undefined;
  const read = async (): Promise<void> => void (state = JSON.parse((await ask('/api/state')).body) as DashboardState);
  await read();
  for (let i = 0; i < 100 && state!.runs.length < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await read();
  }
  expect(state).toMatchObject({ root: 'data/runs', version: '1.2.3' });
  expect(state!.runs.map(({ name }) => name)).toEqual(['exp01/cg-ggn/seed0', 'mine/own/seed0']);
  // One of two epochs takes 2 s: 1.5 of 2 epochs are left, 3 s.
  expect(state!.runs[1]).toMatchObject({ state: 'running', progress: 0.25, secondsLeft: 3, pid: process.pid });
  const [exp01, mine] = state!.experiments;
  expect(exp01).toMatchObject({ name: 'exp01', title: 'Curvature approximations on an MLP' });
  expect(exp01!.variants.map(({ name, style }) => [name, style.color])).toEqual([
    ['sgd', '#fd8d3c'],
    ['cg-ggn', '#253494'],
    ['cg-pch-abs', '#2c7fb8'],
    ['cg-pch-clip', '#41b6c4'],
  ]);
  expect(mine).toMatchObject({ name: 'mine', title: 'mine', variants: [{ name: 'own', label: '<b>' }] });
  const { machine } = state!;
  expect(machine.memory.used).toBeLessThan(machine.memory.total);
  expect(machine.processes).toMatchObject([{ pid: process.pid, runs: ['mine/own/seed0'] }]);
});

test('rows of an experiment, a line a run, of the columns asked for', async () => {
  await dashboard.close();
  writeRun(folder.path, { seed: 0 });
  writeRun(folder.path, { seed: 1 }, 2);
  writeRun(folder.path, { experiment: 'other' });
  dashboard = await startDashboard({
    ...{ root: folder.path, rootName: '.', version: '1', port: 0, experiments, onProblem: () => undefined },
  });
  const { body } = await ask('/api/rows?experiment=exp01&column=step&column=test_loss');
  const lines = body.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as RowsMessage)).toMatchObject([
    { run: 'exp01/sgd/seed0', from: 0, columns: { step: [1, 11, 21] } },
    { run: 'exp01/sgd/seed1', columns: { step: [1, 11], test_loss: [rowAt(0).test_loss, rowAt(1).test_loss] } },
  ]);
  expect((await ask('/api/rows?experiment=exp01')).status).toBe(400);
  expect((await ask('/api/rows?experiment=exp01&column=__proto__')).status).toBe(400);
  expect((await ask('/api/rows?run=exp01/sgd/seed1&column=step')).body.trim().split('\n')).toHaveLength(1);
});

test('events: a new run, then its rows, within a second', async () => {
  let text = '';
  const { hostname, port } = new URL(dashboard.url);
  const sent = get({ hostname, port, path: '/api/events' }, (response) => {
    response.setEncoding('utf8').on('data', (part: string) => (text += part));
  });
  sent.on('error', () => undefined);
  await until(() => text.startsWith('retry:'));
  const dir = writeRun(folder.path);
  await until(() => text.includes('event: runs'));
  expect(text).toContain('"experiments":[{"name":"exp01"');
  const began = performance.now();
  appendRow(dir, rowAt(3));
  await until(() => text.includes('event: rows'));
  expect(performance.now() - began).toBeLessThan(1000);
  expect(text).toContain('"step":[31]');
  sent.destroy();
});

test('a port that is taken is a clear error', async () => {
  const port = Number(new URL(dashboard.url).port);
  await expect(
    startDashboard({
      ...{ root: join(folder.path, 'x'), rootName: '.', version: '1', port, experiments, onProblem: () => undefined },
    }),
  ).rejects.toThrow(`port ${port} is taken by another program: --port names another one`);
});
