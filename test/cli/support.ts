import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import ts from 'typescript';

/** What a command prints when run in a folder; what it throws is thrown. */
export async function run(command: Command, folder: string, ...args: string[]): Promise<string> {
  const before = process.cwd();
  const lines: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  process.chdir(folder);
  try {
    await command.exitOverride().parseAsync(args, { from: 'user' });
  } finally {
    process.chdir(before);
    write.mockRestore();
  }
  // eslint-disable-next-line no-control-regex -- colours are for terminals
  return lines.join('').replace(/\u001b\[\d+m/g, '');
}

/** Every module that a file imports when it runs: own ones by path below a folder, packages by name. */
export function moduleGraph(home: string, entry: string): string[] {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true };
  const seen = new Set<string>();
  const visit = (file: string): void => {
    const name = file.slice(home.length + 1);
    if (seen.has(name)) return;
    seen.add(name);
    const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), { compilerOptions });
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) visit(resolve(dirname(file), fileName.replace(/\.js$/, '.ts')));
      else seen.add(fileName);
    }
  };
  visit(entry);
  return [...seen];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Waits for words in what has been or will be written to stderr, or for the end. */
  readonly says: (pattern: RegExp) => Promise<void>;
}

export const hbpFile = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));

export const hbpEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  ...{ NO_COLOR: '1', HBP_BACKEND: 'wasm', HBP_DATA_DIR: '', NODE_OPTIONS: '' },
});

/**
 * `hbp` as a process of its own.
 *
 * @param group        at the head of a group, which can then be killed as a whole
 * @param environment  variables beside the usual ones
 */
export function startHbp(
  folder: string,
  args: readonly string[],
  { group = false, environment = {} }: { group?: boolean; environment?: NodeJS.ProcessEnv } = {},
): Started {
  const env = { ...hbpEnvironment(), ...environment };
  const child = spawn(process.execPath, [hbpFile, ...args], { cwd: folder, env, detached: group });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (output.stdout += String(text)));
  child.stderr.on('data', (text) => (output.stderr += String(text)));
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, ...output })),
  );
  const says = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (pattern.test(output.stderr)) resolve();
      };
      child.stderr.on('data', look).on('close', () => resolve());
      look();
    });
  return { child, ended, says };
}
