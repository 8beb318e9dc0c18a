/** `experiments`: the steps of all variants, at the start and in the middle of training, into a JSON file and tables. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../../dist/errors.js';
import { writeWhole } from '../../dist/lab/whole-file.js';
import { commit, machine } from '../machine.js';
import { doubt } from '../results.js';
import { say } from '../say.js';
import { writeBatch } from './floats.js';
import { measureVariant } from './measure.js';
import { loadPictures } from './pictures.js';
import { provenance } from './provenance.js';
import { stepLine, stepReport } from './report.js';
import type { ExperimentResults, Failure, State, StepRow } from './results.js';
import { SpeedMeter } from './speeds.js';
import { describeState, stateFile, stateNote } from './states.js';
import { comparesWithSgd } from './targets.js';
import { benchVariants } from './variants.js';

export interface ExperimentsOptions {
  readonly backend: string;
  readonly threads: number | undefined;
  readonly only: RegExp;
  readonly states: readonly State[];
  /** A checkout of the published code. */
  readonly reference: string | undefined;
  /** Where the reference calculates, as torch names it. */
  readonly device: string;
  readonly dataDir: string | undefined;
  readonly repetitions: number | undefined;
  readonly quick: boolean;
  /** Written anew after every row. */
  readonly out: string;
  /** Measures what `out` lacks and keeps its rows; it must be of the same commit, machine, threads and repetitions. */
  readonly resume: boolean;
  /** A file from an earlier measurement on this machine: steps that this one does not take are taken over. */
  readonly keep: string | undefined;
}

const quickBatch = 4;
/** What some variants' targets compare with. */
const sgd = benchVariants(/^exp01\/sgd$/)[0]?.optimizer ?? null;

export async function runExperiments(options: ExperimentsOptions): Promise<ExperimentResults> {
  const { quick } = options;
  const loadBefore = loadavg()[0] ?? NaN;
  const threads = options.threads ?? availableParallelism();
  const dataset = await loadPictures(options.dataDir, quick ? 100 : undefined);
  const { meter, about: aboutSpeeds } = await SpeedMeter.start(threads);
  const speeds = (await meter?.measure()) ?? null;
  const scratch = mkdtempSync(join(tmpdir(), 'hbp-bench-'));
  const repetitions = options.repetitions ?? (quick ? 1 : 5);
  const kept = options.resume ? readKept(options.out, { quick, threads, repetitions }) : null;
  const rows: StepRow[] = [...(kept?.rows ?? [])];
  const earlier = options.keep === undefined ? null : readEarlier(options.keep, { quick, threads });
  const takenOver = (): StepRow[] =>
    earlier?.rows.filter((old) => !rows.some((row) => row.variant === old.variant && row.state === old.state)) ?? [];
  const failures: Failure[] = [];
  const states: Record<string, string> = { ...earlier?.states, ...kept?.states };
  const names = benchVariants().map(({ name }) => name);
  let about: Record<string, string> = { ...kept?.about, speeds: aboutSpeeds };
  const results = (): ExperimentResults => ({
    ...provenance({ quick, threads, about, dataset, speeds }, loadBefore),
    repetitions,
    states,
    rows: names.flatMap((name) => [...rows, ...takenOver()].filter(({ variant }) => variant === name).sort(startFirst)),
    failures,
  });
  try {
    for (const variant of benchVariants(options.only)) {
      const batch = quick ? quickBatch : variant.batch;
      const pictures = join(scratch, 'batch.f32');
      writeBatch(pictures, dataset, batch);
      for (const state of options.states) {
        if (kept?.rows.some((row) => row.variant === variant.name && row.state === state)) continue;
        const fail = (reason: string): void => {
          failures.push({ variant: variant.name, state, reason });
          say(`${variant.name}, ${state}: not measured: ${reason}`);
        };
        const note = stateNote(variant.experiment);
        if (state === 'trained' && !note) {
          fail('no state in the middle of training is stored: the command states makes one');
          continue;
        }
        if (state === 'trained' && note) states[variant.experiment] = describeState(note);
        try {
          const measured = await measureVariant(
            { ...variant, batch },
            state,
            { parameters: state === 'trained' ? stateFile(variant.experiment) : null, batch: pictures },
            {
              backend: options.backend,
              threads,
              reference: options.reference === undefined ? null : resolve(options.reference),
              device: options.device,
              repetitions,
              seconds: quick ? 0 : 0.5,
              meter,
              scratch,
            },
            comparesWithSgd(variant.name) ? sgd : null,
          );
          about = { ...about, ...measured.about };
          rows.push(measured.row);
          write(options.out, results());
          say(stepLine(measured.row));
        } catch (error) {
          fail(messageOf(error));
        }
      }
    }
  } finally {
    meter?.stop();
    rmSync(scratch, { recursive: true });
  }
  const all = results();
  write(options.out, all);
  say(stepReport(all));
  say(`written to ${options.out}`);
  return all;
}

function write(out: string, results: ExperimentResults): void {
  mkdirSync(dirname(out), { recursive: true });
  writeWhole(out, `${JSON.stringify(results, null, 2)}\n`);
}

function startFirst(a: StepRow, b: StepRow): number {
  return a.state.localeCompare(b.state);
}

/** @throws Error  the file is of another machine, or its numbers cannot be relied on */
function readEarlier(
  file: string,
  now: Pick<ExperimentResults, 'quick' | 'threads'>,
): Pick<ExperimentResults, 'rows' | 'states'> {
  const { rows, states, ...earlier } = JSON.parse(readFileSync(file, 'utf8')) as ExperimentResults;
  const { date, commit, load, repetitions, speeds } = earlier;
  const reason =
    earlier.machine.cpu !== machine().cpu || earlier.threads !== now.threads
      ? 'another machine or number of threads'
      : now.quick
        ? null
        : doubt(earlier);
  if (reason !== null) throw new Error(`${file}: nothing is taken over from it: ${reason}`);
  const from = { date, commit, load, repetitions, peak: speeds?.peak ?? null };
  return { states, rows: rows.map((row) => ({ from, ...row })) };
}

/** @throws Error  the file is of another measurement */
function readKept(
  out: string,
  now: Pick<ExperimentResults, 'quick' | 'threads' | 'repetitions'>,
): ExperimentResults | null {
  if (!existsSync(out)) return null;
  const kept = JSON.parse(readFileSync(out, 'utf8')) as ExperimentResults;
  const differs =
    kept.commit !== commit() || kept.machine.cpu !== machine().cpu
      ? 'commit or machine'
      : (['quick', 'threads', 'repetitions'] as const).find((name) => kept[name] !== now[name]);
  if (differs === undefined) return kept;
  throw new Error(`${out} was measured with other ${differs}: give another --out, or leave out --resume`);
}
