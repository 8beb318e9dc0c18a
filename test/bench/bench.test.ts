/** The benchmarks at tiny size: they run and give numbers; needs `npm run build` (make test sees to it). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { alternate } from '../../bench/alternate.js';
import { generated, withGenerated } from '../../bench/markdown.js';
import { PeerProcess } from '../../bench/peer-process.js';
import { tally, textReport } from '../../bench/report.js';
import { check, type Results, type Row } from '../../bench/results.js';
import { quartiles } from '../../bench/statistics.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hbp-bench-'));
  node('node_modules/typescript/bin/tsc', '-p', 'bench');
});
afterAll(() => rmSync(folder, { recursive: true }));

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '' },
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

function quickRun(...args: string[]): { results: Results; output: string } {
  const out = join(folder, 'results.json');
  const output = node('dist-bench/main.js', 'run', '--quick', '--backend', 'wasm', '--out', out, ...args);
  return { results: JSON.parse(readFileSync(out, 'utf8')) as Results, output };
}

describe('a quick run', () => {
  it('measures every row of ours', () => {
    const { results, output } = quickRun('--no-peers');
    expect(results.rows.filter(({ ours }) => ours === null)).toEqual([]);
    for (const { ours, peers, checks } of results.rows) {
      const { low, median, high } = ours!;
      expect(low).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(low);
      expect(high).toBeGreaterThanOrEqual(median);
      expect(high).toBeLessThan(1e6);
      expect([...peers, ...checks]).toEqual([]);
    }
    const counts = (['resident', 'steps', 'products', 'memory'] as const).map(
      (name) => results.rows.filter(({ section }) => section === name).length,
    );
    expect(counts).toEqual([2, 3, 17, 27]);
    expect(results).toMatchObject({ quick: true, backend: { name: 'wasm', threads: 1 } });
    expect(output).toContain('but the quick form measures nothing');
    expect(output).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('compares with the peers that there are, and says which are not', () => {
    const { results } = quickRun('--sections', 'products,steps', '--only', 'A B$|16 -> 32');
    const { raw, torch } = results.peers;
    const oneDnn = raw!.includes('oneDNN ');
    expect(oneDnn || /^absent: \S/.test(raw!) || raw!.includes('without oneDNN')).toBe(true);
    expect(torch).toMatch(/^(absent: \S|PyTorch \d)/);
    for (const { section, ours, peers, checks } of results.rows) {
      const there = section === 'steps' ? torch!.startsWith('PyTorch') : oneDnn;
      expect(peers.length > 0).toBe(there);
      expect(checks.length > 0).toBe(there);
      for (const { value } of peers) expect(value.median).toBeGreaterThan(0);
      for (const { of, ratio } of checks) {
        expect(ratio).toBeCloseTo(ours!.median / peers.find(({ name }) => name === of)!.value.median);
      }
    }
  });

  it('is not for the documentation', () => {
    const file = join(folder, 'quick.json');
    writeFileSync(file, JSON.stringify({ quick: true, rows: [] }));
    expect(() => node('dist-bench/main.js', 'docs', file)).toThrow(/quick form/);
  });
});

it('profiles a step', () => {
  const output = node('dist-bench/main.js', 'profile', '--backend', 'wasm', '--batch', '2', '--steps', '2');
  for (const name of ['forward', 'backward', 'update', 'Conv2D', 'BatchMatMul', 'Sigmoid', '(outside kernels)']) {
    expect(output).toContain(`\n${name} `);
  }
  const shares = [...output.matchAll(/([\d.]+) %$/gm)].map(([, share]) => Number(share)).slice(3);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, -1);
  expect(output).not.toMatch(/NaN|Infinity|undefined/);
});

it('refuses what it does not know', () => {
  for (const args of [['walk'], ['run', '--sections', 'x'], ['profile', '--model', 'x'], ['profile', '--batch', '0']]) {
    expect(() => node('dist-bench/main.js', ...args)).toThrow(/bench: (unknown|0 is not)/);
  }
});

describe('the parts', () => {
  it('interpolates quartiles', () => {
    expect(quartiles([4, 1, 3, 2])).toEqual({ low: 1.75, median: 2.5, high: 3.25, count: 4 });
    expect(quartiles([7])).toEqual({ low: 7, median: 7, high: 7, count: 1 });
  });

  it('lets contestants take turns, with as many calls as fill the time', async () => {
    const log: string[] = [];
    const contestant = (name: string, seconds: number) => ({
      repeat: (calls: number) => {
        log.push(`${name}${calls}`);
        return Promise.resolve(seconds);
      },
    });
    const times = await alternate([contestant('a', 0.25), contestant('b', 2)], { repetitions: 2, seconds: 1 });
    expect(log).toEqual(['a1', 'a1', 'b1', 'b1', 'a4', 'b1', 'a4', 'b1']);
    expect(times).toEqual([
      [0.25, 0.25],
      [2, 2],
    ]);
  });

  it('asks a peer and passes on what it says', async () => {
    const script = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      if (line === 'end') { console.error('out of fuel'); process.exit(1); }
      console.log(line === 'bad' ? 'error no such thing' : 'ok ' + line + ' ' + process.env.OMP_NUM_THREADS);
    });`;
    const peer = new PeerProcess(process.execPath, ['-e', script], 3);
    expect(await peer.ask('hello')).toBe('hello 3');
    await expect(peer.askNumber('hello')).rejects.toThrow('answered "hello" by "hello 3"');
    await expect(peer.ask('bad')).rejects.toThrow('no such thing');
    await expect(peer.ask('end')).rejects.toThrow(/ended without an answer to "end": out of fuel/);
    const none = new PeerProcess(join(folder, 'nothing-here'), [], 1);
    await expect(none.ask('hello')).rejects.toThrow(/ENOENT/);
  });

  it('compares in the direction of the target', () => {
    const [ours, theirs] = [quartiles([6]), { name: 'x', value: quartiles([10]) }];
    const bounds = { least: check(ours, theirs, 'at least', 0.7), most: check(ours, theirs, 'at most', 0.7) };
    expect(bounds.least[0]).toMatchObject({ ratio: 0.6, met: false });
    expect(bounds.most[0]).toMatchObject({ ratio: 0.6, met: true });
    expect(check(ours, undefined, 'at least', 0.7)).toEqual([]);
    const row: Row = {
      section: 'steps',
      name: 'a step',
      unit: 'ms',
      ours,
      peers: [theirs],
      checks: [...bounds.least],
      note: null,
    };
    const failed: Row = { ...row, ours: null, peers: [], checks: [], note: 'no kernel' };
    expect(tally([row, failed])).toBe('0 of 1 targets met, 1 row not measured');
    const run = { quick: false, load: [0.2, 2], machine: { cores: 2 }, rows: [row, failed] } as unknown as Results;
    const report = textReport(run);
    expect(report).toMatch(/0 of 1 targets met, 1 row not measured$/);
    expect(textReport({ ...run, load: [3, 3] })).toMatch(/but the machine was busy when it began \(load average 3.0/);
    expect(report).toMatch(/a step +6.00 \(6.00-6.00\) ms +x 10.0 \(10.0-10.0\) +0.60 +at least 0.7 +no\n/);
    expect(report).toContain('not measured');
    expect(report).toContain('a step: no kernel');
  });
});

it('docs/performance.md shows the published numbers', async () => {
  const file = `${root}docs/performance.md`;
  const text = readFileSync(file, 'utf8');
  const published = `${root}bench/results/published.json`;
  const part = existsSync(published)
    ? generated(JSON.parse(readFileSync(published, 'utf8')) as Results)
    : 'No measurement is published yet.';
  const expected = await format(withGenerated(text, part), { ...(await resolveConfig(file)), parser: 'markdown' });
  expect(text).toBe(expected);
});
