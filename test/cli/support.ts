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
