import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../../src/lab/make-folder.js';
import { writeWhole } from '../../src/lab/whole-file.js';
import { temporaryFolder } from './results/support.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder.path, name);

it('a file is replaced where it is, also behind a link, and keeps its permissions', () => {
  mkdirSync(at('elsewhere'));
  writeFileSync(at('elsewhere/file'), 'old');
  chmodSync(at('elsewhere/file'), 0o640);
  symlinkSync(at('elsewhere/file'), at('link'));
  writeWhole(at('link'), 'né\n');
  writeWhole(at('new'), Uint8Array.of(1, 2));
  expect(readFileSync(at('elsewhere/file'), 'utf8')).toBe('né\n');
  expect(statSync(at('elsewhere/file')).mode & 0o777).toBe(0o640);
  expect([...readFileSync(at('new'))]).toEqual([1, 2]);
  expect(readdirSync(folder.path).sort()).toEqual(['elsewhere', 'link', 'new']);
});

it('a file that the disk takes in part only stays what it was', () => {
  writeWhole(at('file'), 'finished');
  const module = fileURLToPath(new URL('../../dist/lab/whole-file.js', import.meta.url));
  const write = `const { writeWhole } = await import(${JSON.stringify(module)});
    try { writeWhole('file', 'x'.repeat(5000)) } catch (error) { process.stdout.write(error.code) }`;
  // A process that may write 4096 bytes a file is told of a short write, as on a disk that has as many left.
  const script = 'ulimit -f 4; exec "$0" --input-type=module --eval "$1"';
  const options = { cwd: folder.path, encoding: 'utf8' } as const;
  expect(execFileSync('bash', ['-c', script, process.execPath, write], options)).toBe('EFBIG');
  expect(readFileSync(at('file'), 'utf8')).toBe('finished');
  expect(readdirSync(folder.path)).toEqual(['file']);
});

it('folders are made from the first that lacks, and what hinders that is named', () => {
  expect(makeFolder(at('a/b/c'))).toBe(at('a'));
  expect(makeFolder(at('a/b/d'))).toBe(at('a/b/d'));
  expect(makeFolder(at('a/b'))).toBeUndefined();
  writeFileSync(at('file'), '');
  expect(() => makeFolder(at('file/below'))).toThrow(/ENOTDIR/);
});
