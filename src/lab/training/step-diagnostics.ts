/** Looks closely at the updates that an evaluation follows, for diagnostics.jsonl. It changes no number of the run. */
import type { Sequential } from '../../engine/nn/sequential.js';
import type { CgReport } from '../../engine/optim/cg.js';
import * as tf from '../../engine/tf.js';
import { dampingOf } from '../config/damping.js';
import type { RunSpec } from '../config/spec.js';
import type { DiagnosticsSink, LayerDiagnostics } from '../results/diagnostics.js';
import type { StepObserver } from './observer.js';

/** A run writes so many records at most: of more evaluations it takes every second one, every third, ... */
const mostRecords = 1000;

/**
 * Around a step: `watch` before it, `record` at the evaluation after it. In between it only keeps tensors: norms are
 * computed on the device and read at once, when the evaluation reads, too. Without a sink it does nothing.
 *
 * What an update added is the difference of the parameters; the gradient is the batch's, summed over its chunks.
 */
export class StepDiagnostics {
  readonly #model: Sequential;
  readonly #spec: RunSpec;
  readonly #sink: DiagnosticsSink | undefined;
  readonly #every: number;
  #evaluations = 0;
  /** Of the step that is looked at; null: it is not. */
  #seen: { before: tf.Tensor[]; gradients: tf.Tensor[] | null; reports: Reports } | null = null;

  constructor(model: Sequential, spec: RunSpec, sink: DiagnosticsSink | undefined) {
    this.#model = model;
    this.#spec = spec;
    this.#sink = sink;
    // The first batch of an epoch is evaluated, too, where batches do not divide evenly.
    this.#every = Math.ceil((spec.epochs * (spec.evaluationsPerEpoch + 1)) / mostRecords);
  }

  /** To be told of steps. */
  get observer(): Pick<StepObserver, 'differentiated' | 'solved'> {
    return {
      differentiated: (gradients) => this.#add(gradients),
      solved: (reports) => {
        if (this.#seen) this.#seen.reports = reports;
      },
    };
  }

  /** The next step is followed by an evaluation. */
  watch(): void {
    this.dispose();
    if (!this.#sink || this.#evaluations++ % this.#every !== 0) return;
    // A view shares its numbers with the parameter: it costs nothing until the update.
    const before = this.#model.parameters.map(({ parameter }) => tf.keep(tf.view(parameter.value)));
    this.#seen = { before, gradients: null, reports: {} };
  }

  /** The step has been taken. */
  async record(step: number, epoch: number): Promise<void> {
    const seen = this.#seen;
    if (!seen) return;
    const { parameters } = this.#model;
    const norms = tf.scoped(() =>
      tf.stack([
        ...parameters.map(({ parameter }, i) => norm(tf.sub(parameter.value, seen.before[i]!))),
        ...(seen.gradients ?? []).map(norm),
      ]),
    );
    const values = await norms.data();
    norms.dispose();
    this.dispose();
    const layers = parameters.map(({ path }, i): LayerDiagnostics => {
      const reports = seen.reports[path];
      return {
        path,
        gradientNorm: finite(values[parameters.length + i]),
        updateNorm: finite(values[i]),
        ...(reports && reports.length > 0 && { cg: summarise(reports) }),
      };
    });
    this.#sink?.append({ step, epoch, damping: dampingOf(this.#spec.optimizer), layers });
  }

  /** Lets go of what it has kept. */
  dispose(): void {
    if (this.#seen) tf.dispose([...this.#seen.before, ...(this.#seen.gradients ?? [])]);
    this.#seen = null;
  }

  /** Chunks of a batch have gradients that add up to the batch's. */
  #add(gradients: Readonly<Record<string, tf.Tensor>>): void {
    const seen = this.#seen;
    if (!seen) return;
    const sums = seen.gradients;
    seen.gradients = this.#model.parameters.map(({ path }, i) =>
      tf.keep(tf.scoped(() => (sums ? tf.add(sums[i]!, gradients[path]!) : tf.view(gradients[path]!)))),
    );
    if (sums) tf.dispose(sums);
  }
}

type Reports = Readonly<Record<string, readonly CgReport[]>>;

/** Euclidean, a scalar. */
function norm(tensor: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sum(tf.square(tensor)));
}

function summarise(reports: readonly CgReport[]): NonNullable<LayerDiagnostics['cg']> {
  const iterations = reports.map((report) => report.iterations);
  const stops: Record<string, number> = {};
  for (const { stop } of reports) stops[stop] = (stops[stop] ?? 0) + 1;
  return {
    iterations: {
      least: Math.min(...iterations),
      mean: iterations.reduce((sum, count) => sum + count, 0) / iterations.length,
      most: Math.max(...iterations),
    },
    stops,
  };
}

/** Six digits are plenty to look at. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}
