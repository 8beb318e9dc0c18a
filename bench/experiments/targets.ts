/** What the project wants of a step's time: ours divided by another's, at most. */
import type { State, StepRow, Target } from './results.js';

interface Bound {
  readonly variants: RegExp;
  readonly state: State | 'both';
  readonly of: 'the reference' | 'exp01/sgd' | 'its floor';
  readonly bound: number;
}

const bounds: readonly Bound[] = [
  { variants: /^exp0[12]\/(cg|blocks)/, state: 'both', of: 'the reference', bound: 1 / 7 },
  { variants: /^exp0[12]\/(cg|blocks)/, state: 'both', of: 'exp01/sgd', bound: 1.3 },
  { variants: /^exp01\/cg/, state: 'both', of: 'its floor', bound: 1.6 },
  { variants: /^exp08\/ggn/, state: 'start', of: 'the reference', bound: 1 / 15 },
  { variants: /^exp08\/ggn/, state: 'trained', of: 'the reference', bound: 1 / 25 },
  { variants: /^exp08\/ggn/, state: 'both', of: 'its floor', bound: 2 },
  { variants: /^exp09\/ggn/, state: 'both', of: 'the reference', bound: 1 / 10 },
  { variants: /^exp0[89]\/pch/, state: 'start', of: 'the reference', bound: 1 / 8 },
  { variants: /^exp0[89]\/pch/, state: 'trained', of: 'the reference', bound: 1 / 6 },
  { variants: /^exp08\/kfac/, state: 'both', of: 'the reference', bound: 1 / 2 },
];

/** Whether something is wanted of this variant beside a step of exp01/sgd. */
export function comparesWithSgd(variant: string): boolean {
  return bounds.some(({ of, variants }) => of === 'exp01/sgd' && variants.test(variant));
}

/** @param others  medians in seconds: the reference and the floor of this row, a step of exp01/sgd beside it */
export function targetsOf(
  { variant, state }: Pick<StepRow, 'variant' | 'state'>,
  ours: number,
  others: Readonly<Partial<Record<Bound['of'], number | null>>>,
): Target[] {
  return bounds
    .filter((bound) => bound.variants.test(variant) && (bound.state === 'both' || bound.state === state))
    .flatMap(({ of, bound }) => {
      const other = others[of];
      if (other === undefined || other === null) return [];
      const ratio = ours / other;
      return [{ of, ratio, bound, met: ratio <= bound }];
    });
}
