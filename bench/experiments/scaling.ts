/** `scaling`: how our steps' time grows with batch, width, depth, CG iterations and threads. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../../dist/errors.js';
import type { OptimizerSpec } from '../../dist/lab/config/schema.js';
import { say } from '../say.js';
import { quartiles } from '../statistics.js';
import { writeBatch } from './floats.js';
import { floorWork, leastSeconds, type Speeds } from './floor.js';
import { loadPictures } from './pictures.js';
import { provenance } from './provenance.js';
import { scalingReport } from './report.js';
import type { ScalingResults, ScalingRow } from './results.js';
import type { ScaledNetwork } from './scaled.js';
import { measureSpeeds } from './speeds.js';
import { OurSteps } from './step-peer.js';
import { benchVariant } from './variants.js';

export interface ScalingOptions {
  readonly backend: string;
  readonly threads: number | undefined;
  /** "variant axis" that match. */
  readonly only: RegExp;
  readonly dataDir: string | undefined;
  readonly repetitions: number | undefined;
  readonly quick: boolean;
  readonly out: string;
}

/** A point on an axis. */
interface Setting {
  readonly x: number;
  readonly batch: number;
  readonly network: ScaledNetwork;
  readonly optimizer: OptimizerSpec;
  readonly threads: number;
}

/** A point is measured for so many seconds at least. */
const fill = 0.5;

/** The networks of these have a scaled form; the others' steps are made of the same parts. */
const scaledVariants: readonly { readonly name: string; readonly network: ScaledNetwork }[] = [
  { name: 'exp01/sgd', network: { scaled: 'mlp', width: 1, depth: 1 } },
  { name: 'exp01/cg-pch-abs', network: { scaled: 'mlp', width: 1, depth: 1 } },
  { name: 'exp08/adam', network: { scaled: 'c4d3', width: 1, depth: 2 } },
  { name: 'exp08/ggn-alpha1', network: { scaled: 'c4d3', width: 1, depth: 2 } },
  { name: 'exp08/pch-abs', network: { scaled: 'c4d3', width: 1, depth: 2 } },
];

export async function runScaling(options: ScalingOptions): Promise<ScalingResults> {
  const { quick } = options;
  const loadBefore = loadavg()[0] ?? NaN;
  const cores = options.threads ?? availableParallelism();
  const dataset = await loadPictures(options.dataDir, quick ? 100 : undefined);
  const { speeds, about: aboutSpeeds } = await measureSpeeds(cores);
  const scratch = mkdtempSync(join(tmpdir(), 'hbp-bench-'));
  const scaling: ScalingRow[] = [];
  const failures: { what: string; reason: string }[] = [];
  let info = '';
  try {
    for (const { name, network } of scaledVariants) {
      for (const [axis, settings] of Object.entries(axesOf(name, network, cores, quick))) {
        const what = `${name} ${axis}`;
        if (!options.only.test(what) || settings.length < 2) continue;
        try {
          const points: { x: number; seconds: number; floor: number | null }[] = [];
          for (const setting of settings) {
            const file = join(scratch, `batch-${setting.batch}.f32`);
            writeBatch(file, dataset, setting.batch);
            const measured = await measure(setting, file, options, speeds);
            info = measured.info;
            points.push({ x: setting.x, seconds: measured.seconds, floor: measured.floor });
            say(`${what} ${setting.x}: ${measured.seconds.toPrecision(3)} s`);
          }
          const floors = points.flatMap(({ x, floor }) => (floor === null ? [] : [{ x, seconds: floor }]));
          scaling.push({ what: name, axis, points, exponent: exponentOf(points), expected: expectedOf(axis, floors) });
        } catch (error) {
          failures.push({ what, reason: messageOf(error) });
          say(`${what}: not measured: ${messageOf(error)}`);
        }
      }
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const about = { ours: info, speeds: aboutSpeeds };
  const results: ScalingResults = {
    ...provenance({ quick, threads: cores, about, dataset, speeds }, loadBefore),
    scaling,
    failures,
  };
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`);
  say(scalingReport(results));
  say(`written to ${options.out}`);
  return results;
}

/** What varies, by axis; the rest is as in the variant. */
function axesOf(name: string, network: ScaledNetwork, cores: number, quick: boolean): Record<string, Setting[]> {
  const { optimizer, batch } = benchVariant(name);
  const usual = { batch: quick ? 4 : batch, network, optimizer, threads: cores };
  const over = (values: readonly number[], change: (x: number) => Partial<Setting>): Setting[] =>
    (quick ? values.slice(0, 2) : values).map((x) => ({ x, ...usual, ...change(x) }));
  const deep = network.depth;
  return {
    batch: over(quick ? [4, 8] : [100, 250, 500, 1000, 2000, 4000], (x) => ({ batch: x })),
    width: over([0.25, 0.5, 1, 2, 4], (x) => ({ network: { ...network, width: x } })),
    depth: over([deep, 2 * deep, 3 * deep], (x) => ({ network: { ...network, depth: x } })),
    // A tolerance of zero is never reached: so many iterations and one more, which the test counts.
    iterations:
      optimizer.kind === 'cg-newton'
        ? over([2, 4, 8, 16, 32], (x) => ({ optimizer: { ...optimizer, tol: 0, maxiter: x - 1 } }))
        : [],
    threads: over(
      [1, 2, 4, 8, 16, 32, 64].filter((count) => count <= cores),
      (x) => ({ threads: x }),
    ),
  };
}

async function measure(
  { batch, network, optimizer, threads }: Setting,
  file: string,
  { backend, repetitions, quick }: ScalingOptions,
  speeds: Speeds | null,
): Promise<{ seconds: number; floor: number | null; info: string }> {
  const ours = await OurSteps.start(backend, threads);
  try {
    await ours.task({ model: network, optimizer, batch: file });
    const layers = await ours.layers();
    const { iterations } = await ours.step(1); // the first warms up
    const least = repetitions ?? (quick ? 1 : 3);
    const [usual = fill] = least < 2 ? [] : (await ours.step(1)).seconds;
    const count = Math.max(least, Math.ceil(fill / usual));
    const { seconds } = await ours.step(count);
    const work = speeds && Object.values(floorWork(layers, batch, optimizer, iterations, speeds)).flat();
    return { seconds: quartiles(seconds).median, floor: work && leastSeconds(work, speeds), info: ours.info };
  } finally {
    ours.stop();
  }
}

/** The time on one thread falls with their number at best as 1 / threads. */
function expectedOf(axis: string, floors: readonly { x: number; seconds: number }[]): number | null {
  if (axis === 'threads') return -1;
  return floors.length > 1 ? exponentOf(floors) : null;
}

/** Slope of the least-squares line through (log x, log seconds). */
export function exponentOf(points: readonly { readonly x: number; readonly seconds: number }[]): number {
  const [xs, ys] = [points.map(({ x }) => Math.log(x)), points.map(({ seconds }) => Math.log(seconds))];
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  const covariance = xs.reduce((sum, x, i) => sum + (x - x0) * (ys[i]! - y0), 0);
  return covariance / xs.reduce((sum, x) => sum + (x - x0) ** 2, 0);
}
