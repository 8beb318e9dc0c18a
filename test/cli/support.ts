import { jest } from '@jest/globals';
import type { Command } from 'commander';

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
