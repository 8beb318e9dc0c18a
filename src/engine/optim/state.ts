/** What an optimiser carries from step to step, so that it can be stored and go on elsewhere as if nothing had happened. */
import * as tf from '../tf.js';

/** By name. What follows from the options or from the rest of the state is not in it. */
export interface State {
  /** They stay the owner's and are valid until its next step. */
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
  /** In full precision. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** Something with a state: the steps after `restore` are those that would have followed `state`, to the last digit. */
export interface Stateful {
  /** What it carries now. */
  state(): State;
  /**
   * Forget what was and take over what `state` gave, here or in another process; it must be for the same parameters and
   * options.
   *
   * @param state  its tensors are taken over
   */
  restore(state: State): void;
}

/** Several as one: each one's names stand behind its own and a dot. */
export function jointly(parts: Readonly<Record<string, Stateful>>): Stateful {
  return {
    state: () => {
      const states = Object.entries(parts).map(([name, part]) => [name, part.state()] as const);
      return {
        tensors: Object.assign({}, ...states.map(([name, { tensors }]) => under(name, tensors))) as State['tensors'],
        numbers: Object.assign({}, ...states.map(([name, { numbers }]) => under(name, numbers))) as State['numbers'],
      };
    },
    restore: ({ tensors, numbers }) => {
      for (const [name, part] of Object.entries(parts)) {
        part.restore({ tensors: behind(name, tensors), numbers: behind(name, numbers) });
      }
    },
  };
}

/** The entries with `prefix` and a dot before their names. */
export function under<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [`${prefix}.${key}`, value]));
}

/** The way back from `under`; entries with other names are left out. */
export function behind<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  const start = `${prefix}.`;
  return Object.fromEntries(
    Object.entries(entries).flatMap(([key, value]) =>
      key.startsWith(start) ? [[key.slice(start.length), value] as const] : [],
    ),
  );
}

/** A list by number: `prefix.0`, `prefix.1`, ... */
export function numbered(prefix: string, tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(tensors.map((tensor, i) => [`${prefix}.${i}`, tensor]));
}

/** The list that `numbered` made names of; its tensors outlive every scope. */
export function inOrder(prefix: string, tensors: Readonly<Record<string, tf.Tensor>>): tf.Tensor[] {
  const list = behind(prefix, tensors);
  return Object.keys(list).map((_, i) => {
    const tensor = list[i];
    if (!tensor) throw new RangeError(`a state without ${prefix}.${i}: it is not whole`);
    return tf.keep(tensor);
  });
}

/** The number of that name. */
export function numberIn({ numbers }: State, name: string): number {
  const value = numbers[name];
  if (value === undefined) throw new RangeError(`a state without the number ${name}: it is not whole`);
  return value;
}
