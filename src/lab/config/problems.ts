import { z } from 'zod';
import { didYouMean, nearest } from './nearest.js';
import type { KeyPath } from './source.js';

/** One thing that is wrong with an experiment: where, and in one sentence what. */
export interface Problem {
  readonly path: KeyPath;
  readonly at: 'key' | 'value';
  readonly message: string;
}

export type Checked<T> =
  | { readonly data: T; readonly problems?: undefined }
  | { readonly data?: undefined; readonly problems: readonly Problem[] };

/** Checks `value` against a schema; problems say what was found and what was expected. */
export function check<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  const result = schema.safeParse(value, { error: expectation });
  if (result.success) return { data: result.data };
  return { problems: result.error.issues.flatMap((issue) => toProblems(issue, value)) };
}

export function joinPath(path: KeyPath): string {
  return path.map(String).join('.');
}

type Issue = z.core.$ZodIssue;

/** `above`: where the value stands that the paths of the issue start from. */
function toProblems(issue: Issue, value: unknown, above: KeyPath = []): Problem[] {
  const path = [...above, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  const found = at(value, path);
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const meant = issue.errors.filter((branch) => !branch.some((inner) => isOfOtherType(inner, found)));
    const fitting = meant.filter(
      (branch) => !branch.some(({ code, path }) => code === 'unrecognized_keys' && !path.length),
    );
    const [only, ...others] = fitting.length > 0 ? fitting : meant;
    if (only && others.length === 0) return only.flatMap((inner) => toProblems(inner, value, path));
  }
  if (issue.code === 'unrecognized_keys') {
    const suggestions = issue.message.split('\n');
    return issue.keys.map((key, i) => ({
      path: [...path, key],
      at: 'key',
      message: `${joinPath([...path, key])}: unknown key, ${suggestions[i]}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, at: 'key', message: `${joinPath(path)}: bad name, expected ${issue.message}` }];
  }
  return [{ path, at: 'value', message: `${joinPath(path)}: found ${show(found)}, expected ${issue.message}` }];
}

/** Whether a branch of a union was not meant at all: the whole value is of a type that it does not take. */
function isOfOtherType(issue: Issue, found: unknown): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_value') return typeof found !== 'string';
  return issue.code === 'invalid_type' && !(typeof found === 'number' && issue.expected === 'int');
}

const types: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  tuple: 'a list',
};

/** What a schema expected, as the end of "found ..., expected ...". Messages written in the schema go before these. */
const expectation: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return types[issue.expected] ?? issue.expected;
    case 'too_small':
      if (issue.origin === 'string') return 'text that is not empty';
      if (issue.origin === 'array' || issue.origin === 'tuple') return `a list of at least ${issue.minimum}`;
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'array' || issue.origin === 'tuple') return `a list of at most ${issue.maximum}`;
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), issue.input);
    case 'unrecognized_keys': {
      const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
      return issue.keys.map((key) => didYouMean(key, known)).join('\n');
    }
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'invalid_union':
      if (issue.discriminator) {
        return oneOf((issue.options as readonly unknown[]).map(String), at(issue.input, [issue.discriminator]));
      }
      return [...new Set(issue.errors.map(([first]) => first?.message))].join(' or ');
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
      return undefined;
  }
};

function oneOf(values: readonly string[], found: unknown): string {
  const quoted = values.map((value) => `"${value}"`);
  const [only] = quoted;
  const list = quoted.length === 1 && only ? only : `one of ${quoted.join(', ')}`;
  const hit = typeof found === 'string' ? nearest(found, values) : undefined;
  return hit === undefined || quoted.length === 1 ? list : `${list} (did you mean "${hit}"?)`;
}

function at(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

/** A value in a few words. */
function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping';
  if (typeof value !== 'string') return `${value as number | boolean}`;
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}
