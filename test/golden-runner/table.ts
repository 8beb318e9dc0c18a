import type { Comparison } from './comparison.js';

/**
 * One line a case: what it comes to, the worst relative error on any backend with its place, and the relative tolerance;
 * below it all failures and everything that differs from the file on purpose. The last line counts.
 */
export function tableOf(results: ReadonlyMap<string, ReadonlyMap<string, Comparison>>): string {
  const width = Math.max(...[...results.keys()].map((name) => name.length));
  const cases = [...results].map(([name, byBackend]) => ({ name, passed: passed(byBackend), byBackend }));
  const lines = cases.flatMap(({ name, passed: ok, byBackend }) => [
    `${ok ? 'pass' : 'FAIL'}  ${name.padEnd(width)}  ${summary(byBackend)}`,
    ...remarks(byBackend, ({ failures }) => failures).map((text) => `      ${text}`),
    ...remarks(byBackend, ({ notes }) => notes).map((text) => `      note: ${text}`),
  ]);
  const good = cases.filter((each) => each.passed).length;
  return ['', ...lines, `${good} passed, ${cases.length - good} failed`, ''].join('\n');
}

function passed(byBackend: ReadonlyMap<string, Comparison>): boolean {
  return byBackend.size > 0 && [...byBackend.values()].every(({ failures }) => failures.length === 0);
}

function summary(byBackend: ReadonlyMap<string, Comparison>): string {
  const entries = [...byBackend].sort(([, a], [, b]) => b.worst.share - a.worst.share);
  const [first] = entries;
  if (!first) return 'did not run';
  const [backend, { worst, tolerance, compared }] = first;
  if (compared === 0) return 'nothing compared';
  if (worst.share === 0) return `exact in ${compared} comparisons`;
  return `${worst.error.toExponential(1)} of ${tolerance.rtol.toExponential(0)}  (${worst.what}, ${backend})`;
}

/** The same remark on several backends is one. */
function remarks(
  byBackend: ReadonlyMap<string, Comparison>,
  of: (comparison: Comparison) => readonly string[],
): string[] {
  const backends = new Map<string, string[]>();
  for (const [backend, comparison] of byBackend) {
    for (const text of of(comparison)) backends.set(text, [...(backends.get(text) ?? []), backend]);
  }
  return [...backends].map(([text, where]) => `${text} (${where.join(', ')})`);
}
