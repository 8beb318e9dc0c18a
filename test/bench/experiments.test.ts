/** The parts of the measurement of the experiments' steps; test/bench/bench.test.ts runs it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { iterationsText, updateErrors } from '../../bench/experiments/agreement.js';
import { ratioSpec } from '../../bench/experiments/figure.js';
import { readFloats, writeFloats } from '../../bench/experiments/floats.js';
import { floorWork, leastSeconds, totalFlop } from '../../bench/experiments/floor.js';
import type { LayerSizes } from '../../bench/experiments/layers.js';
import { generatedSteps } from '../../bench/experiments/markdown.js';
import { stepReport, stepTally } from '../../bench/experiments/report.js';
import type { ExperimentResults, StepRow } from '../../bench/experiments/results.js';
import { exponentOf } from '../../bench/experiments/scaling.js';
import { targetsOf } from '../../bench/experiments/targets.js';
import { benchVariant, benchVariants } from '../../bench/experiments/variants.js';
import { quartiles } from '../../bench/statistics.js';
import { renderSvg } from '../../src/lab/figures/svg.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hbp-bench-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the parts', () => {
  it('knows all variants of the experiments', () => {
    expect(benchVariants()).toHaveLength(20);
    expect(benchVariant('exp08/kfac')).toMatchObject({ experiment: 'exp08', model: 'c4d3', batch: 500 });
    expect(() => benchVariant('exp08/sdg')).toThrow(/unknown variant exp08\/sdg: exp01\/sgd, /);
  });

  it('keeps float32 numbers and refuses what is none', () => {
    const file = join(folder, 'floats');
    writeFloats(file, Float32Array.of(1.5, -2), Float32Array.of(0, 1, 2).subarray(1));
    expect([...readFloats(file)]).toEqual([1.5, -2, 1, 2]);
    writeFileSync(file, 'abc');
    expect(() => readFloats(file)).toThrow('3 bytes are no whole number of float32');
  });

  it('compares changes, not values', () => {
    const before = Float32Array.of(10, 10, 5, 1);
    const theirs = Float32Array.of(13, 14, 5, 3);
    const ours = Float32Array.of(13, 14.5, 5, 1);
    expect(updateErrors({ before, theirs, ours, lengths: [2, 1, 1] })).toEqual([0.1, 0, 1]);
    expect(iterationsText([[3], [1, 2, 1], [4, 4]])).toBe('3 1-2x3 4x2');
  });

  it('fits exponents', () => {
    const points = [1, 2, 4].map((x) => ({ x, seconds: 5 * x ** 1.5 }));
    expect(exponentOf(points)).toBeCloseTo(1.5);
  });

  it('has targets for what is compared', () => {
    const others = { 'the reference': 1, 'exp01/sgd': 0.1, 'its floor': null };
    expect(targetsOf({ variant: 'exp01/cg-ggn', state: 'start' }, 0.14, others)).toEqual([
      { of: 'the reference', ratio: 0.14, bound: 1 / 7, met: true },
      { of: 'exp01/sgd', ratio: expect.closeTo(1.4) as number, bound: 1.3, met: false },
    ]);
    expect(targetsOf({ variant: 'exp08/ggn-alpha2', state: 'trained' }, 1, { 'the reference': 25 })).toMatchObject([
      { bound: 0.04, met: true },
    ]);
    expect(targetsOf({ variant: 'exp08/adam', state: 'start' }, 1, others)).toEqual([]);
  });
});

describe('the least time', () => {
  const linear: LayerSizes = {
    ...{ kind: 'linear', fanIn: 8, outputs: 4, positions: 1 },
    ...{ before: 8, behind: 4, kept: 4, parameters: 36 },
  };
  const pooled: LayerSizes = {
    ...{ kind: 'conv2d', fanIn: 27, outputs: 2, positions: 16 },
    ...{ before: 48, behind: 32, kept: 8, parameters: 56 },
  };
  const speeds = { peak: 1000, bandwidth: 100 };

  it('takes the longer of operations and bytes, one operation after the other', () => {
    const works = [
      { flop: 2000, bytes: 100 },
      { flop: 100, bytes: 300 },
    ];
    expect(leastSeconds(works, speeds)).toBe(2 + 3);
  });

  it('counts a step of gradient descent by hand', () => {
    const sgd = { kind: 'sgd', lr: 1, momentum: 0.9 } as const;
    const work = floorWork([pooled, linear], 10, sgd, [], speeds);
    expect(work.forward).toEqual([
      { flop: 2 * 10 * 27 * 2 * 16, bytes: 4 * (10 * (48 + 32) + 56) },
      { flop: 2 * 10 * 32, bytes: 4 * (10 * 12 + 36) },
    ]);
    // A quarter of the pooled outputs matters; the first layer has no input gradient.
    expect(work.backward.map(({ flop }) => flop)).toEqual([(2 * 10 * 27 * 2 * 16) / 4, 2 * 10 * 32, 2 * 10 * 32]);
    expect(work.update).toEqual([{ flop: 0, bytes: 5 * 4 * (56 + 36) }]);
    expect(work.curvature).toEqual([]);
  });

  it.each(['exp01/cg-pch-abs', 'exp08/ggn-alpha1', 'exp08/pch-abs'])('%s: more iterations, more work', (name) => {
    const { optimizer } = benchVariant(name);
    const least = (count: number) => {
      const iterations = [[count], [count], [count], [count]];
      return leastSeconds(floorWork([pooled, linear], 10, optimizer, iterations, speeds).curvature, speeds);
    };
    expect(least(0)).toBeGreaterThanOrEqual(0);
    expect(least(10)).toBeGreaterThan(least(1));
    expect(totalFlop(floorWork([pooled, linear], 10, optimizer, [[1], [1], [1], [1]], speeds))).toBeGreaterThan(0);
  });

  it('never takes longer with the factor at hand than by chains', () => {
    const { optimizer } = benchVariant('exp08/ggn-alpha1');
    const chains = { ...optimizer, secondOrder: 'abs' } as typeof optimizer;
    const iterations = [[30], [10], [30], [10]];
    const of = (how: typeof optimizer) =>
      leastSeconds(floorWork([pooled, linear], 10, how, iterations, speeds).curvature, speeds);
    expect(of(optimizer)).toBeLessThanOrEqual(of(chains));
  });
});

describe('the report', () => {
  const side = {
    seconds: quartiles([0.02, 0.03, 0.04]),
    phases: { forward: 0.01, backward: 0.01, curvature: 0.004, solve: 0.006 },
    iterations: [[1], [2, 3]],
    loss: 2.3,
    peakBytes: 3e8,
  };
  const row: StepRow = {
    ...{ variant: 'exp01/cg-ggn', state: 'trained', batch: 500 },
    ours: { ...side, allocated: 2e8, most: 1e8 },
    reference: { ...side, seconds: quartiles([0.3]), iterations: [[1], [2, 2]] },
    ratio: quartiles([0.09, 0.1, 0.12]),
    agreement: { updateErrors: [1e-6, 2e-5, 3e-7], lossError: 0, sameIterations: false },
    targets: [{ of: 'the reference', ratio: 0.1, bound: 1 / 7, met: true }],
    floor: { flop: 3e9, seconds: { forward: 0.005, backward: 0.01, curvature: 0.005, update: 0 } },
  };
  const results = {
    ...{ date: '2026-01-02T00:00:00Z', commit: 'abc', quick: false, threads: 2, repetitions: 3, pictures: 'here' },
    machine: { cpu: 'A CPU', cores: 2, memoryBytes: 2 ** 30, cacheBytes: 1, os: 'Linux' },
    ...{ versions: {}, about: { ours: 'native' }, speeds: { peak: 2e11, bandwidth: 2e10 }, load: [0, 2] as const },
    states: { exp01: '3000 steps' },
    rows: [row],
    failures: [{ variant: 'exp01/sgd', state: 'start' as const, reason: 'no network' }],
  } satisfies ExperimentResults;

  it('shows both sides, phases beside the least time, memory and agreement', () => {
    const text = stepReport(results);
    expect(text).toMatch(
      /exp01\/cg-ggn, trained +500 +30\.0 \(25\.0-35\.0\) ms +300 \(300-300\) ms +0\.10 \(0\.095-0\.11\)/,
    );
    expect(text).toMatch(
      /10\.0 ms \/ 5\.00 ms +10\.0 ms \/ 10\.0 ms +10\.0 ms \/ 5\.00 ms +30\.0 ms +20\.0 ms \(x 1\.5\) +50 %/,
    );
    expect(text).toMatch(/300 MB +300 MB +100 MB +200 MB/);
    expect(text).toMatch(/2\.0e-5 +1\.0e-6 +0\.0e\+0 +differ/);
    expect(text).toMatch(/1 2-3x2 +1 2x2/);
    expect(stepTally(results)).toBe('1 of 1 targets met, 1 step not measured');
  });

  it('becomes Markdown and a figure', async () => {
    const text = generatedSteps(results, null, true);
    expect(text).toContain('- exp01 in the middle of training: 3000 steps');
    expect(text).toContain('- not measured: exp01/sgd, start: no network');
    expect(text).toContain('![Our time over the reference');
    expect(text).toContain('- peak and bandwidth before the first step: 200 GFLOP/s, 20.0 GB/s');
    expect(await renderSvg(ratioSpec(results)!)).toContain('exp01/cg-ggn');
    expect(ratioSpec({ ...results, rows: [{ ...row, ratio: null }] })).toBeNull();
    const from = { date: '2025-12-24T00:00:00Z', commit: 'def', repetitions: 2, peak: 1e11, load: [0, 1] } as const;
    const mixed = generatedSteps({ ...results, rows: [row, { ...row, variant: 'exp08/kfac', from }] }, null, false);
    expect(mixed).toContain(
      '- measured at another time, on 2025-12-24 at commit def (2 repetitions, peak 100 GFLOP/s, ' +
        'load average 0.00 before, 1.00 after): exp08/kfac',
    );
    expect(mixed).toMatch(/exp01\/cg-ggn, trained .* 50 % \|.*\|\n\| exp08\/kfac, trained .* 100 % \|/);
    const own = { ...row, speeds: { peak: 4e11, bandwidth: 3e10 } };
    expect(stepReport({ ...results, rows: [own] })).toMatch(/ 25 % +400 GFLOP\/s, 30\.0 GB\/s/);
  });
});
