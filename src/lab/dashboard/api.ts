/** What the dashboard's server and its page tell each other, as JSON. */
import type { DiagnosticsRecord } from '../results/diagnostics.js';

export type { DiagnosticsRecord, LayerDiagnostics } from '../results/diagnostics.js';

/** A run as the page lists it. Times are in seconds unless they say otherwise. */
export interface RunSummary {
  /** `exp01/sgd/seed0` */
  readonly name: string;
  readonly experiment: string;
  readonly variant: string;
  readonly seed: number;
  readonly state: 'running' | 'done' | 'failed' | 'interrupted' | 'unreadable';
  readonly reason: string | null;
  /** Part of the epochs that the last evaluation has seen, 0 to 1. */
  readonly progress: number;
  readonly epoch: number;
  readonly epochs: number | null;
  readonly step: number;
  /** Of training so far, evaluations included. */
  readonly wallSeconds: number;
  /** Until the end, by the pace so far; null before the first evaluation and for a run that does not run. */
  readonly secondsLeft: number | null;
  /** Of one update, evaluations left out; null before the first evaluation. */
  readonly stepSeconds: number | null;
  readonly trainLoss: number | null;
  readonly testLoss: number | null;
  readonly testAccuracy: number | null;
  /** `native, 2 threads` or `webgpu, NVIDIA ...`. */
  readonly computedBy: string | null;
  readonly cpu: string | null;
  readonly gpu: string | null;
  readonly startedAt: string | null;
  /** The last sign of life. */
  readonly heartbeatAt: string | null;
  readonly pid: number | null;
  /** What the optimiser adds to the curvature; null for one without damping. */
  readonly damping: number | null;
  /** Whether its folder has a file of diagnostics. */
  readonly hasDiagnostics: boolean;
}

/** An experiment with the look of its variants, in the order of its figures. */
export interface ExperimentInfo {
  readonly name: string;
  readonly title: string;
  readonly variants: readonly VariantInfo[];
}

export interface VariantInfo {
  readonly name: string;
  readonly label: string;
  readonly style: { readonly color: string; readonly dash: readonly number[] };
}

/** `GET /api/state` */
export interface DashboardState {
  /** The folder of the runs, as the user would name it. */
  readonly root: string;
  readonly version: string;
  readonly experiments: readonly ExperimentInfo[];
  readonly runs: readonly RunSummary[];
  readonly machine: MachineInfo;
}

export interface MachineInfo {
  readonly host: string;
  readonly cpu: string;
  readonly cores: number;
  /** Mean number of busy threads over the last minute; null where the system does not tell. */
  readonly load: number | null;
  /** In bytes. */
  readonly memory: { readonly total: number; readonly used: number };
  /** Resident bytes of the processes that train here, by process. */
  readonly processes: readonly { readonly pid: number; readonly bytes: number; readonly runs: readonly string[] }[];
}

/** Columns of equal length; null stands for a number that is not finite. */
export type Columns = Readonly<Record<string, readonly (number | null)[]>>;

/** Whole lines of a file, from byte `from` to byte `to`. */
export interface Span {
  readonly run: string;
  readonly from: number;
  readonly to: number;
  /** The file was begun anew: what was read of it before no longer counts. */
  readonly restarted?: true;
}

/** A line of `GET /api/rows?experiment=..&metric=..`, and the event `rows`. */
export interface RowsMessage extends Span {
  readonly columns: Columns;
}

/** The event `diagnostics`, and `GET /api/diagnostics?run=..`. */
export interface DiagnosticsMessage extends Span {
  readonly records: readonly DiagnosticsRecord[];
}

/** The event `runs`. */
export interface RunsMessage {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
  /** All experiments, where there is a new one or a new variant. */
  readonly experiments?: readonly ExperimentInfo[];
}
