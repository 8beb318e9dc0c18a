/** How figures of an inspection say what they show. */
import type { SecondOrder } from '../config/schema.js';
import type { Heading } from './facets.js';
import type { Inspection } from './inspect.js';
import { kinds } from './kinds.js';

export function labelOf(secondOrder: SecondOrder): string {
  return kinds.find((kind) => kind.secondOrder === secondOrder)!.label;
}

export function headingOf({ spec, dataset, batch, loss, moments }: Inspection, what: string): Heading {
  const { step, epoch } = moments.at(-1)!;
  const when = step === 0 ? 'at the initialisation' : `after ${step} ${step === 1 ? 'step' : 'steps'}`;
  return {
    title: `${spec.experiment}: ${what}`,
    subtitle: [
      ...[spec.label, `seed ${spec.seed}`, step === 0 ? when : `${when} (epoch ${Number(epoch.toFixed(2))})`],
      `${batch} ${batch === 1 ? 'sample' : 'samples'} of ${dataset.name}, loss ${loss.toFixed(3)}`,
    ],
  };
}

/** 1234567 as 1,234,567. */
export function counted(count: number): string {
  return count.toLocaleString('en-US');
}
