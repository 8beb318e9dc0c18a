/** Times one variant's step in one state, beside the reference if there is one. */
import { setTimeout as wait } from 'node:timers/promises';
import type { OptimizerSpec } from '../../dist/lab/config/schema.js';
import type { Phase } from '../../dist/lab/training/step.js';
import { quartiles } from '../statistics.js';
import { agreementOf } from './agreement.js';
import { readFloats } from './floats.js';
import { floorWork, leastSeconds, type Speeds, totalFlop } from './floor.js';
import type { LayerSizes } from './layers.js';
import type { Side, State, StepRow } from './results.js';
import type { SpeedMeter } from './speeds.js';
import { OurSteps, ReferenceSteps, type StepAnswer } from './step-peer.js';
import type { TaskSpec } from './step-task.js';
import { targetsOf } from './targets.js';
import type { BenchVariant } from './variants.js';

export interface MeasureOptions {
  readonly backend: string;
  readonly threads: number;
  /** A checkout of the published code; null: ours alone. */
  readonly reference: string | null;
  readonly device: string;
  readonly repetitions: number;
  /** A repetition takes as many steps as fill this many seconds. */
  readonly seconds: number;
  /** Takes turns with the steps; null: nothing tells the least time. */
  readonly meter: SpeedMeter | null;
  /** A folder for files of this measurement. */
  readonly scratch: string;
}

export interface Measured {
  readonly row: StepRow;
  readonly about: Readonly<Record<string, string>>;
}

const pauseMilliseconds = 20;
const mostSteps = 1000;
/** Seconds of a step. While the other side worked, caches went cold: of a longer step, some hundredths. */
const longStep = 5;
/** Seconds of the first step, which can take five times as long as the next ones; beyond that it tells enough. */
const longFirst = 20;

/**
 * All sides in fresh processes, so that their peaks of memory are their own. The first step of each warms up, and ours and the
 * reference's are compared; then they take turns, each with a step without a clock before unless its step is a long one.
 *
 * @param parameters  a file; null: as seed 0 makes them
 * @param sgd  exp01/sgd, if something is wanted beside it: takes turns, too, on the same parameters and batch
 */
export async function measureVariant(
  variant: BenchVariant,
  state: State,
  files: { readonly parameters: string | null; readonly batch: string },
  options: MeasureOptions,
  sgd: OptimizerSpec | null,
): Promise<Measured> {
  const { threads, reference, scratch } = options;
  const ours = await OurSteps.start(options.backend, threads);
  let theirs: ReferenceSteps | null = null;
  let ownSgd: OurSteps | null = null;
  try {
    const parameters = files.parameters ?? `${scratch}/start.f32`;
    const { model, optimizer } = variant;
    if (files.parameters === null) {
      await ours.task({ model, optimizer, batch: files.batch });
      await ours.writeParameters(parameters);
    }
    const task: TaskSpec = { model, optimizer, batch: files.batch, parameters };
    await ours.task(task);
    const layers = await ours.layers();
    const first = await ours.step(1, `${scratch}/ours.f32`);
    theirs = reference === null ? null : await ReferenceSteps.start(reference, threads, options.device);
    await theirs?.task(task);
    const firstOfTheirs = await theirs?.step(1, `${scratch}/theirs.f32`);

    let firstOfSgd: StepAnswer | undefined;
    if (sgd) {
      ownSgd = await OurSteps.start(options.backend, threads);
      await ownSgd.task({ ...task, optimizer: sgd });
      firstOfSgd = await ownSgd.step(1);
    }
    const sides = [
      { peer: ours, first },
      ...(theirs ? [{ peer: theirs, first: firstOfTheirs! }] : []),
      ...(ownSgd ? [{ peer: ownSgd, first: firstOfSgd! }] : []),
    ];
    const { rounds, speeds } = await takeTurns(sides, task, options);
    const own = rounds.get(ours)!;
    const other = theirs && rounds.get(theirs);
    const besides = ownSgd && rounds.get(ownSgd);
    const side = sideOf(own, first);
    const otherSide = other && firstOfTheirs ? sideOf(other, firstOfTheirs) : null;
    const agreement = firstOfTheirs
      ? agreementOf(first, firstOfTheirs, {
          before: readFloats(parameters),
          ours: readFloats(`${scratch}/ours.f32`),
          theirs: readFloats(`${scratch}/theirs.f32`),
          lengths: layers.flatMap(parameterLengths),
        })
      : null;
    const floor = speeds && floorOf(layers, variant, first.iterations, speeds);
    const least = floor && Object.values(floor.seconds).reduce((sum, seconds) => sum + seconds, 0);
    const allocation = await ours.allocation();
    const row: StepRow = {
      variant: variant.name,
      state,
      batch: variant.batch,
      ours: { ...side, ...allocation },
      reference: otherSide,
      ratio: other ? quartiles(own.map(({ seconds }, i) => seconds / other[i]!.seconds)) : null,
      agreement,
      targets: targetsOf({ variant: variant.name, state }, side.seconds.median, {
        'the reference': otherSide?.seconds.median ?? null,
        'its floor': least,
        'exp01/sgd': besides ? quartiles(besides.map(({ seconds }) => seconds)).median : null,
      }),
      floor,
      speeds,
    };
    return { row, about: { ours: ours.info, ...(theirs && { reference: theirs.info }) } };
  } finally {
    ours.stop();
    theirs?.stop();
    ownSgd?.stop();
  }
}

/** One repetition of one side. */
interface Round {
  /** A step. */
  readonly seconds: number;
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
  readonly peakBytes: number;
}

type Peer = OurSteps | ReferenceSteps;

async function takeTurns(
  sides: readonly { readonly peer: Peer; readonly first: StepAnswer }[],
  task: TaskSpec,
  { repetitions, seconds, meter }: Pick<MeasureOptions, 'repetitions' | 'seconds' | 'meter'>,
): Promise<{ rounds: Map<Peer, Round[]>; speeds: Speeds | null }> {
  const { optimizer } = task;
  const counts: number[] = [];
  const isLong: boolean[] = [];
  for (const { peer, first: answer } of sides) {
    // The first step of all is the slowest: another one tells how many fill the time.
    const first = answer.seconds[0]!;
    const usual = first < longFirst ? (await peer.step(1)).seconds[0]! : first;
    counts.push(Math.min(mostSteps, Math.max(1, Math.ceil(seconds / usual))));
    isLong.push(usual > longStep);
  }
  const rounds = new Map<Peer, Round[]>(sides.map(({ peer }) => [peer, []]));
  const speeds: Speeds[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    if (meter) speeds.push(await meter.measure());
    for (const [i, { peer }] of sides.entries()) {
      await wait(pauseMilliseconds);
      if (optimizer.kind === 'kfac') {
        await peer.task(task);
        rounds.get(peer)!.push(amortized(await peer.step(optimizer.TCov + 1), optimizer));
      } else {
        if (!isLong[i]) await peer.step(1);
        const answer = await peer.step(counts[i]!);
        rounds.get(peer)!.push({ ...medianStep(answer), peakBytes: answer.peakBytes });
      }
    }
  }
  const median = (of: (each: Speeds) => number): number => quartiles(speeds.map(of)).median;
  return {
    rounds,
    speeds: meter && { peak: median(({ peak }) => peak), bandwidth: median(({ bandwidth }) => bandwidth) },
  };
}

function medianStep({ seconds, phases }: StepAnswer): Omit<Round, 'peakBytes'> {
  return { seconds: quartiles(seconds).median, phases: medians(phases) };
}

/**
 * The average over TInv steps: step 0 of a fresh optimiser decomposes its new factors, step TCov renews the factors
 * alone, those between do neither.
 */
function amortized(
  answer: StepAnswer,
  { TCov, TInv }: Pick<Extract<OptimizerSpec, { kind: 'kfac' }>, 'TCov' | 'TInv'>,
): Round {
  const part = (from: number, to: number) =>
    medianStep({ ...answer, seconds: answer.seconds.slice(from, to), phases: answer.phases.slice(from, to) });
  const parts = [part(0, 1), part(1, Math.max(2, TCov)), part(TCov, TCov + 1)];
  const covariances = Math.ceil(TInv / TCov) - 1;
  const weights = [1, TInv - 1 - covariances, covariances].map((steps) => steps / TInv);
  const mean = (of: (part: Omit<Round, 'peakBytes'>) => number): number =>
    parts.reduce((sum, each, i) => sum + weights[i]! * of(each), 0);
  const names = Object.keys(parts[0]!.phases) as Phase[];
  return {
    seconds: mean(({ seconds }) => seconds),
    phases: Object.fromEntries(names.map((name) => [name, mean(({ phases }) => phases[name] ?? 0)])),
    peakBytes: answer.peakBytes,
  };
}

function sideOf(rounds: readonly Round[], { iterations, loss }: StepAnswer): Side {
  return {
    seconds: quartiles(rounds.map(({ seconds }) => seconds)),
    phases: medians(rounds.map(({ phases }) => phases)),
    iterations,
    loss,
    peakBytes: Math.max(...rounds.map(({ peakBytes }) => peakBytes)),
  };
}

function medians(all: readonly Partial<Record<Phase, number>>[]): Partial<Record<Phase, number>> {
  const names = Object.keys(all[0] ?? {}) as Phase[];
  return Object.fromEntries(names.map((name) => [name, quartiles(all.map((each) => each[name] ?? 0)).median]));
}

function floorOf(
  layers: readonly LayerSizes[],
  { batch, optimizer }: BenchVariant,
  iterations: readonly (readonly number[])[],
  speeds: Speeds,
): StepRow['floor'] {
  const work = floorWork(layers, batch, optimizer, iterations, speeds);
  const { forward, backward, curvature, update } = work;
  return {
    flop: totalFlop(work),
    seconds: {
      forward: leastSeconds(forward, speeds),
      backward: leastSeconds(backward, speeds),
      curvature: leastSeconds(curvature, speeds),
      update: leastSeconds(update, speeds),
    },
  };
}

function parameterLengths({ fanIn, outputs, parameters }: LayerSizes): number[] {
  const weight = fanIn * outputs;
  return parameters > weight ? [weight, parameters - weight] : [weight];
}
