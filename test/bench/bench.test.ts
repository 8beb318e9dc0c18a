/** The benchmarks at tiny size: they run and give numbers; needs `npm run build` (make test sees to it). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { alternate } from '../../bench/alternate.js';
import { readFloats, writeFloats } from '../../bench/experiments/floats.js';
import { ratioSpec } from '../../bench/experiments/figure.js';
import { generatedSteps } from '../../bench/experiments/markdown.js';
import type { ExperimentResults, ScalingResults } from '../../bench/experiments/results.js';
import { benchVariant } from '../../bench/experiments/variants.js';
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

function quickly<T>(command: string, ...args: string[]): { results: T; output: string } {
  const out = join(folder, `${command}.json`);
  const output = node('dist-bench/main.js', command, '--quick', '--backend', 'wasm', '--out', out, ...args);
  return { results: JSON.parse(readFileSync(out, 'utf8')) as T, output };
}

describe('a quick run of the experiments', () => {
  it('takes the steps of variants of every kind and says what it saw', () => {
    const only = '^exp01/sgd|^exp02/blocks-4|^exp08/(adam|ggn-alpha1)|^exp09/pch-clip';
    const { results, output } = quickly<ExperimentResults>('experiments', '--state', 'start', '--only', only);
    expect(results.failures).toEqual([]);
    expect(results.rows.map(({ variant }) => variant)).toEqual([
      'exp01/sgd',
      'exp02/blocks-4',
      'exp08/adam',
      'exp08/ggn-alpha1',
      'exp09/pch-clip',
    ]);
    for (const { ours, reference, ratio, agreement, floor, variant } of results.rows) {
      expect(ours.seconds.median).toBeGreaterThan(0);
      expect(ours.loss).toBeGreaterThan(1);
      const phases = Object.values(ours.phases).reduce((sum, seconds) => sum + seconds, 0);
      expect(phases / ours.seconds.median).toBeGreaterThan(0.5);
      expect(phases / ours.seconds.median).toBeLessThan(1.01);
      expect(ours.allocated).toBeGreaterThan(1e6);
      expect(ours.peakBytes).toBeGreaterThan(ours.most);
      expect(ours.iterations.length > 0).toBe(!/sgd|adam/.test(variant));
      expect(ours.iterations.flat().every((count) => count > 0)).toBe(true);
      expect([reference, ratio, agreement]).toEqual([null, null, null]);
      if (floor) expect(floor.flop).toBeGreaterThan(0);
    }
    expect(results.rows[1]!.ours.iterations[0]).toHaveLength(4);
    expect(results.quick).toBe(true);
    expect(output).toContain('but the quick form measures nothing');
    expect(output).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('says which steps it cannot take', () => {
    const { results, output } = quickly<ExperimentResults>(
      'experiments',
      ...['--state', 'start', '--only', '^exp01/sgd', '--reference', join(folder, 'no-checkout')],
    );
    expect(results.rows).toEqual([]);
    expect(results.failures).toEqual([
      { variant: 'exp01/sgd', state: 'start', reason: expect.stringMatching(/python3|peer/) as string },
    ]);
    expect(output).toContain('0 of 0 targets met, 1 step not measured');
  });

  it('shows how the time grows', () => {
    const { results } = quickly<ScalingResults>('scaling', '--only', '^exp01/cg-pch-abs iterations|^exp08/adam depth');
    expect(results.failures).toEqual([]);
    const axes = results.scaling.map(({ what, axis }) => `${what} ${axis}`);
    expect(axes).toEqual(['exp01/cg-pch-abs iterations', 'exp08/adam depth']);
    for (const { points, exponent } of results.scaling) {
      expect(points).toHaveLength(2);
      expect(Number.isFinite(exponent)).toBe(true);
    }
  });
});

describe('our side as a process', () => {
  it('starts every step with the given parameters and takes the same one again', async () => {
    const [parameters, batch, after] = ['parameters', 'batch', 'after'].map((name) => join(folder, name));
    writeFloats(
      batch!,
      Float32Array.from({ length: 2 * 3072 }, (_, i) => Math.sin(i)),
      Float32Array.of(3, 7),
    );
    const peer = new PeerProcess(
      process.execPath,
      [join(root, 'dist-bench/main.js'), 'serve-steps', '--backend', 'wasm', '--threads', '1'],
      1,
    );
    try {
      const { model, optimizer } = benchVariant('exp08/ggn-alpha1');
      await expect(peer.ask('step 1')).rejects.toThrow('no task yet');
      const size = await peer.askNumber(`task ${JSON.stringify({ model, optimizer, batch })}`);
      await peer.ask(`parameters ${parameters}`);
      const before = readFloats(parameters!);
      expect(before).toHaveLength(size);
      await peer.ask(`task ${JSON.stringify({ model, optimizer, batch, parameters })}`);
      type Times = { loss: number; iterations: number[][]; seconds: number[] };
      const take = async (file: string) => JSON.parse(await peer.ask(`step 2 ${file}`)) as Times;
      const first = await take(after!);
      const moved = readFloats(after!);
      const second = await take(after!);
      expect(first.seconds).toHaveLength(2);
      expect([second.loss, second.iterations]).toEqual([first.loss, first.iterations]);
      expect(readFloats(after!)).toEqual(moved);
      expect(moved.some((value, i) => value !== before[i])).toBe(true);
      writeFloats(parameters!, before.subarray(1));
      const short = JSON.stringify({ model, optimizer, batch, parameters });
      await expect(peer.ask(`task ${short}`)).rejects.toThrow(/the network \d+ parameters/);
      await expect(peer.ask('walk')).rejects.toThrow('unknown request walk');
    } finally {
      peer.stop();
    }
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
  const read = <T>(name: string): T | null => {
    const path = `${root}bench/results/${name}`;
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
  };
  const none = 'No measurement is published yet.';
  const kernels = read<Results>('published.json');
  const steps = read<ExperimentResults>('published-steps.json');
  const scaling = read<ScalingResults>('published-scaling.json');
  const hasFigure = steps !== null && ratioSpec(steps) !== null;
  const parts = withGenerated(text, kernels ? generated(kernels) : none);
  const all = withGenerated(parts, steps ? generatedSteps(steps, scaling, hasFigure) : none, 'published-steps.json');
  expect(text).toBe(await format(all, { ...(await resolveConfig(file)), parser: 'markdown' }));
});
