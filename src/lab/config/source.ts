import { readFileSync, statSync } from 'node:fs';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
} from 'yaml';
import { ConfigError, messageOf } from '../../errors.js';

export type KeyPath = readonly (string | number)[];

/** The content of a YAML or JSON file, and where in it everything stands. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  /** `file:line:column` of the value at a key path (`of: 'key'`: of its key), or of what is nearest above it. */
  position(path: KeyPath, of?: 'key' | 'value'): string;
}

/** An experiment is a page of text; more is a mistake. */
const maxBytes = 2 ** 20;

/**
 * Reads a YAML file; JSON is YAML.
 *
 * @throws ConfigError  it cannot be read, is too large, or is not one well-formed mapping with unique keys
 */
export function readSource(file: string): Source {
  const text = readText(file);
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw new ConfigError(`${at(problem.pos[0])}: ${explain(problem, text)}`);
  visit(document, {
    Alias: (_key, alias) => {
      if (!alias.resolve(document)) {
        throw new ConfigError(`${at(alias.range?.[0] ?? 0)}: nothing before this is named &${alias.source}`);
      }
    },
  });
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    throw new ConfigError(`${file}: empty, expected an experiment`);
  }
  if (!isMap(contents)) {
    const found = isSeq(contents) ? 'a list' : 'a single value';
    throw new ConfigError(`${at(contents.range?.[0] ?? 0)}: found ${found}, expected an experiment (a mapping)`);
  }
  const position = (path: KeyPath, of: 'key' | 'value' = 'value'): string => at(offsetOf(document, contents, path, of));
  return { file, value: plain(file, document), position };
}

function readText(file: string): string {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) throw new ConfigError(`${file}: is a folder, expected an experiment file`);
    if (stat.size > maxBytes) {
      throw new ConfigError(`${file}: found ${stat.size} bytes, expected an experiment file of at most ${maxBytes}`);
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigError(`${file}: ${missing ? 'no such file' : messageOf(error)}`, { cause: error });
  }
}

function explain({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'DUPLICATE_KEY') return `duplicate key "${/^[^\s:]*/.exec(text.slice(pos[0]))?.[0]}"`;
  if (code === 'MULTIPLE_DOCS') return 'a second document begins, expected one experiment a file';
  return message.startsWith('Maximum call stack') ? 'nested too deeply' : oneLine(message);
}

/** The document as plain data; the yaml library refuses aliases that multiply into more than a hundred copies. */
function plain(file: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const message = error instanceof ReferenceError ? 'its aliases multiply without bounds' : oneLine(messageOf(error));
    throw new ConfigError(`${file}: ${message}`, { cause: error });
  }
}

function offsetOf(document: Document, root: Node, path: KeyPath, of: 'key' | 'value'): number {
  let node: unknown = root;
  let key = root.range?.[0] ?? 0;
  let value = key;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(part));
      key = (pair?.key as Node | undefined)?.range?.[0] ?? key;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      key = (next as Node | undefined)?.range?.[0] ?? key;
    }
    if (next === undefined || next === null) return key;
    node = next;
    value = (node as Node).range?.[0] ?? key;
  }
  return of === 'key' ? key : value;
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ');
}
