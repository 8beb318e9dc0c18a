import { readFileSync } from 'node:fs';

/** A reference case of test/golden/ as it stands in its file. */
export function readGoldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../golden/${name}.json`, import.meta.url), 'utf8')) as T;
}
