/** What a measurement of the experiments' steps leaves: plain data for the JSON file, the tables and the figure. */
import type { Phase } from '../../dist/lab/training/step.js';
import type { Machine } from '../results.js';
import type { Quartiles } from '../statistics.js';
import type { FloorPhase, Speeds } from './floor.js';
import type { Allocation } from './step-task.js';

/** Where in training a step is taken. */
export type State = 'start' | 'trained';

/** One contestant's steps. */
export interface Side {
  /** Seconds a step; K-FAC's is the average of 100 steps with their updates of factors and bases. */
  readonly seconds: Quartiles;
  /** Medians in seconds. */
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
  /** CG iterations: one list a parameter, weight before bias, one number a block; empty without CG. */
  readonly iterations: readonly (readonly number[])[];
  readonly loss: number | null;
  /** Resident memory of the process that took the steps, at most. */
  readonly peakBytes: number;
}

/** Whether both sides did the same. */
export interface Agreement {
  /** ||ours - theirs|| / ||theirs|| of a step's changes, by parameter. */
  readonly updateErrors: readonly number[];
  /** Of the losses before the step. */
  readonly lossError: number;
  /** Whether all blocks took equally many CG iterations. */
  readonly sameIterations: boolean;
}

export interface Target {
  /** "the reference", or the variant that it is compared with. */
  readonly of: string;
  /** Ours divided by theirs, medians. */
  readonly ratio: number;
  /** At most. */
  readonly bound: number;
  readonly met: boolean;
}

/** The measurement that a step was taken over from. */
export interface Origin extends Pick<Provenance, 'date' | 'commit' | 'load'> {
  readonly repetitions: number;
  /** FLOP a second. */
  readonly peak: number | null;
}

export interface StepRow {
  /** "exp01/sgd" */
  readonly variant: string;
  readonly state: State;
  readonly batch: number;
  readonly ours: Side & Allocation;
  /** Null: not asked for. */
  readonly reference: Side | null;
  /** Ours divided by the reference's, repetition by repetition. */
  readonly ratio: Quartiles | null;
  readonly agreement: Agreement | null;
  readonly targets: readonly Target[];
  /** FLOP of the cheapest known way, which the floor is made of; and the floor in seconds. Null without peak. */
  readonly floor: { readonly flop: number; readonly seconds: Readonly<Record<FloorPhase, number>> } | null;
  /** Medians over the repetitions, which the floor is of; absent: those of the whole measurement. */
  readonly speeds?: Speeds | null;
  /** Absent: this one. */
  readonly from?: Origin;
}

export interface Failure {
  readonly variant: string;
  readonly state: State;
  readonly reason: string;
}

/** How the time grows along one axis. */
export interface ScalingRow {
  /** "exp01/cg-ggn" */
  readonly what: string;
  /** "batch", "width", ... */
  readonly axis: string;
  readonly points: readonly { readonly x: number; readonly seconds: number; readonly floor: number | null }[];
  /** Of x in the time, fitted to the logarithms. */
  readonly exponent: number;
  /** The same fitted to the floor, or known. */
  readonly expected: number | null;
}

export interface Provenance {
  /** ISO 8601. */
  readonly date: string;
  readonly commit: string | null;
  /** Small batches and few repetitions: of no meaning as a measurement. */
  readonly quick: boolean;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** What both sides and the measurement of the speeds say of themselves. */
  readonly about: Readonly<Record<string, string>>;
  readonly threads: number;
  /** Which they are, with the fingerprint of their bytes. */
  readonly pictures: string;
  readonly speeds: Speeds | null;
  /** Load average over a minute when it began and when it ended. */
  readonly load: readonly [before: number, after: number];
}

export interface ExperimentResults extends Provenance {
  readonly repetitions: number;
  /** How the states in the middle of training were made, by experiment. */
  readonly states: Readonly<Record<string, string>>;
  readonly rows: readonly StepRow[];
  readonly failures: readonly Failure[];
}

export interface ScalingResults extends Provenance {
  readonly scaling: readonly ScalingRow[];
  readonly failures: readonly { readonly what: string; readonly reason: string }[];
}

/** Ours in seconds, floor in seconds, both of the phases that a floor knows. */
export function phasesBeside({ ours, floor }: StepRow): { phase: FloorPhase; seconds: number; floor: number }[] {
  if (!floor) return [];
  const { forward = 0, backward = 0, curvature = 0, solve = 0, update = 0 } = ours.phases;
  const seconds = { forward, backward, curvature: curvature + solve, update };
  return (Object.keys(seconds) as FloorPhase[])
    .filter((phase) => seconds[phase] > 0)
    .map((phase) => ({ phase, seconds: seconds[phase], floor: floor.seconds[phase] }));
}

export function floorSeconds({ floor }: StepRow): number | null {
  return floor && Object.values(floor.seconds).reduce((sum, seconds) => sum + seconds, 0);
}
