/** Values of options. */
import { InvalidArgumentError } from 'commander';
import { ConfigError } from '../errors.js';
import { didYouMean } from '../lab/config/nearest.js';

export function minutes(text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0)) throw new InvalidArgumentError('A number of minutes is expected.');
  return value;
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A positive integer is expected.');
  return value;
}

export function countOrAuto(text: string): number | 'auto' {
  return text === 'auto' ? text : positiveInteger(text);
}

export function wholeNumber(text: string): number {
  return Number(text) === 0 && text.trim() !== '' ? 0 : positiveInteger(text);
}

/** Of an option that takes a list of known words: `svg,pdf`. */
export function listParser<T extends string>(option: string, known: readonly T[]): (list: string) => T[] {
  return (list) =>
    list.split(',').map((word) => {
      const found = known.find((candidate) => candidate === word.trim().toLowerCase());
      if (found === undefined) throw new ConfigError(`${option}: found "${word}", ${didYouMean(word, known)}`);
      return found;
    });
}
