import { ConfigError } from '../../errors.js';
import { seedsSchema, type Seeds } from './schema.js';

/** Far more than anybody trains; catches "0-99999999" before it fills the memory. */
const maxSeeds = 1000;
/** Seeds are 32-bit unsigned integers. */
const maxSeed = 2 ** 32 - 1;

/**
 * The seeds of "0-9", "0,3" or "0-2,7", ascending and without repetition.
 *
 * @param where  what the list is called in errors
 * @throws ConfigError  not such a list, a range that runs backwards, or too many or too large seeds
 */
export function parseSeeds(text: string, where = 'seeds'): number[] {
  if (!seedsSchema.safeParse(text).success) throw wrong(where, `"${text}"`, 'a seed list such as "0-9" or "0,3"');
  const ranges = text.split(',').map((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number);
    if (last < first) throw wrong(where, `"${part}"`, `"${last}-${first}"`);
    return { first, count: last - first + 1 };
  });
  const total = ranges.reduce((sum, { count }) => sum + count, 0);
  if (total > maxSeeds) throw wrong(where, `${total} seeds`, `at most ${maxSeeds}`);
  return checked(
    ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i)),
    where,
  );
}

/** The seeds that an experiment file gives in any of its forms. Throws as `parseSeeds`. */
export function seedList(seeds: Seeds, where = 'seeds'): number[] {
  if (typeof seeds === 'string') return parseSeeds(seeds, where);
  return checked(typeof seeds === 'number' ? [seeds] : seeds, where);
}

/** Ascending seeds as `0-2,7`: what `parseSeeds` reads. */
export function formatSeeds(seeds: readonly number[]): string {
  const ranges = seeds.reduce<[number, number][]>((made, seed) => {
    const last = made.at(-1);
    return last?.[1] === seed - 1 ? [...made.slice(0, -1), [last[0], seed]] : [...made, [seed, seed]];
  }, []);
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function checked(seeds: readonly number[], where: string): number[] {
  const unique = [...new Set(seeds)].sort((a, b) => a - b);
  if (unique.length > maxSeeds) throw wrong(where, `${unique.length} seeds`, `at most ${maxSeeds}`);
  const largest = unique.at(-1) ?? 0;
  if (largest > maxSeed) throw wrong(where, String(largest), `at most ${maxSeed}`);
  return unique;
}

function wrong(where: string, found: string, expected: string): ConfigError {
  return new ConfigError(`${where}: found ${found}, expected ${expected}`);
}
