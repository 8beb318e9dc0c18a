import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeOnEveryBackend, partOn, type TestBackend, testBackends } from '../support/backends.js';
import { kindOf, labKinds, runCase } from './case.js';
import type { Comparison } from './comparison.js';
import { tableOf } from './table.js';

/** Any folder of golden files: `HBP_GOLDEN_DIR=<dir> npm run test:golden`. */
const { HBP_GOLDEN_DIR: chosen, INIT_CWD: start = '.' } = process.env;
const folder = chosen ? resolve(start, chosen) : fileURLToPath(new URL('../golden', import.meta.url));
const files = (existsSync(folder) ? readdirSync(folder) : [])
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => join(folder, file));
if (files.length === 0)
  throw new Error(`no golden files (*.json) in ${folder}: set HBP_GOLDEN_DIR to a folder of them`);
const engineFiles = files.filter((file) => !labKinds.includes(kindOf(file) ?? ''));
const labFiles = files.filter((file) => !engineFiles.includes(file));

/** On cpu and webgpu every eighth file; none in the whole of the tests, where the engine's suites compare more of them. */
const isAlone = process.env['HBP_GOLDEN'] === 'alone';
const filesOn = (backend: TestBackend): readonly string[] =>
  partOn(backend, engineFiles, (_, i) => isAlone && i % 8 === 0);
const filesHere = files.filter(
  (file) => labFiles.includes(file) || testBackends.some((b) => filesOn(b).includes(file)),
);

/** By name, then by backend. */
const results = new Map<string, Map<string, Comparison>>(filesHere.map((file) => [basename(file, '.json'), new Map()]));

function named(some: readonly string[]): [string, string][] {
  return some.map((file) => [basename(file, '.json'), file]);
}

async function check(file: string, where: string): Promise<void> {
  const comparison = await runCase(file);
  results.get(basename(file, '.json'))!.set(where, comparison);
  expect(comparison.failures).toEqual([]);
}

if (engineFiles.length > 0) {
  describeOnEveryBackend('golden numbers', (backend) => {
    const here = named(filesOn(backend));
    if (here.length > 0) test.each(here)('%s', (_, file) => check(file, backend));
    else test.skip('are those of the suites of the engine', () => undefined); // a group needs a test
  });
}

if (labFiles.length > 0) {
  describe('golden numbers of the lab', () => {
    test.each(named(labFiles))('%s', (_, file) => check(file, 'lab'));
  });
}

afterAll(() => {
  process.stdout.write(tableOf(results));
});
