/** The build of the addon fails in many ways on other machines; each time it says what is missing and harms nothing. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hbp-build-'));
  for (const path of ['scripts', 'package.json', 'native/binding.gyp', 'native/src']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function build(env: NodeJS.ProcessEnv): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/build-native.js')], {
    encoding: 'utf8',
    env,
  });
  return { code: status, said: `${stdout}${stderr}` };
}

function statusFile(): unknown {
  return JSON.parse(readFileSync(join(folder, 'native/build/status.json'), 'utf8'));
}

/** A folder of programs for PATH. */
function programs(scripts: Record<string, string>): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

/** Headers that make the script believe in oneDNN. */
function standInDnnl(): string {
  const prefix = join(folder, 'dnnl');
  mkdirSync(join(prefix, 'include/oneapi/dnnl'), { recursive: true });
  writeFileSync(join(prefix, 'include/oneapi/dnnl/dnnl.hpp'), '#error no oneDNN here\n');
  return prefix;
}

it('without python3 it says that node-gyp needs it', () => {
  const { code, said } = build({ PATH: programs({}), DNNL_ROOT: standInDnnl(), HOME: folder });
  expect(code).toBe(1);
  expect(said).toMatch(/The native backend is not built: .*Python/);
  expect(statusFile()).toEqual({ ok: false, reason: expect.stringMatching(/Python/) as string });
});

it('keeps the line in which the compiler says what is wrong', () => {
  const { PATH, HOME } = process.env;
  const bin = programs({
    'g++': 'echo "../src/loops.cc:5:10: fatal error: loops.h: No such file or directory" >&2; exit 1',
    'c++': 'exit 1',
  });
  const { code } = build({ PATH: `${bin}:${PATH}`, HOME, CXX: join(bin, 'g++'), DNNL_ROOT: standInDnnl() });
  expect(code).toBe(1);
  expect(statusFile()).toEqual({
    ok: false,
    reason: expect.stringMatching(/loops.cc:5:10: fatal error: loops.h/) as string,
  });
});
