import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeStaging, moveInto } from '../../src/lab/staging.js';
import { temporaryFolder } from './results/support.js';

const root = temporaryFolder();
const home = (): string => join(root.path, 'set');
const folder = (name: string, content: string): string => {
  const path = join(root.path, name);
  mkdirSync(path);
  writeFileSync(join(path, 'file'), content);
  return path;
};
const content = (): string => readFileSync(join(home(), 'file'), 'utf8');
const names = (): string[] => readdirSync(root.path).sort();
/** Of a process that has ended. */
const deadPid = spawnSync(process.execPath, ['--version']).pid;
const stagingOf = (pid: number, host = hostname()): string => `.set-${host}-${pid}-aB3dE6`;

it('a staging folder takes the place of a folder, or a free one', async () => {
  for (const version of ['first', 'second']) {
    const staging = await makeStaging(home());
    writeFileSync(join(staging, 'file'), version);
    await moveInto(home(), staging);
    expect(content()).toBe(version);
    expect(names()).toEqual(['set']);
  }
});

it('what a killed process left is removed, that of a living one and anything else is not', async () => {
  const kept = [stagingOf(process.pid), stagingOf(deadPid, 'another-host'), '.set-of-mine', `.other-${deadPid}`];
  for (const name of [...kept, stagingOf(deadPid), `${stagingOf(deadPid)}-old`, 'set']) folder(name, name);
  const staging = await makeStaging(home());
  expect(names()).toEqual([...kept, 'set', staging.slice(root.path.length + 1)].sort());
  expect(content()).toBe('set');
});

it('killed between its two moves, a process has lost nothing: what it moved aside comes back', async () => {
  folder(`${stagingOf(deadPid)}-old`, 'finished');
  folder(stagingOf(deadPid), 'new');
  await makeStaging(home());
  expect(content()).toBe('finished');
});

it('a move that fails leaves what was there', async () => {
  folder('set', 'finished');
  await expect(moveInto(home(), join(root.path, 'nowhere'))).rejects.toThrow(/ENOENT/);
  expect(content()).toBe('finished');
  expect(names()).toEqual(['set']);
});
