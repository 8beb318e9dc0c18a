/** Whether two sides took the same step. */
import type { Agreement } from './results.js';
import type { StepTimes } from './step-task.js';

/** Files' contents, and the length of each parameter in them. */
export interface Updates {
  readonly before: Float32Array;
  readonly ours: Float32Array;
  readonly theirs: Float32Array;
  readonly lengths: readonly number[];
}

export function agreementOf(ours: StepTimes, theirs: StepTimes, updates: Updates): Agreement {
  const sameIterations = JSON.stringify(ours.iterations) === JSON.stringify(theirs.iterations);
  const lossError = Math.abs((ours.loss ?? NaN) - (theirs.loss ?? NaN)) / Math.abs(theirs.loss ?? NaN);
  return { updateErrors: updateErrors(updates), lossError, sameIterations };
}

/** ||ours - theirs|| / ||theirs - before|| by parameter; 0 where neither moved. */
export function updateErrors({ before, ours, theirs, lengths }: Updates): number[] {
  let at = 0;
  return lengths.map((length) => {
    let [difference, change] = [0, 0];
    for (const end = at + length; at < end; at++) {
      difference += (ours[at]! - theirs[at]!) ** 2;
      change += (theirs[at]! - before[at]!) ** 2;
    }
    return difference === 0 ? 0 : Math.sqrt(difference / change);
  });
}

/** "1 1 2 1", blocks as "1-2x16": what the iterations of all parameters were, in their order. */
export function iterationsText(iterations: readonly (readonly number[])[]): string {
  return iterations
    .map((blocks) => {
      const [least, most] = [Math.min(...blocks), Math.max(...blocks)];
      const range = least === most ? `${least}` : `${least}-${most}`;
      return blocks.length > 1 ? `${range}x${blocks.length}` : range;
    })
    .join(' ');
}
