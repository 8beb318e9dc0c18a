#!/usr/bin/env node
/**
 * Builds the native backend's addon, native/build/hbp.node, from native/src with node-gyp.
 *
 * It needs a C++17 compiler, make, python3 and oneDNN with its headers. Whatever goes wrong is written to
 * native/build/status.json, where `hbp doctor` finds it, and to native/build/build.log in full; then it exits with 1,
 * which `make install` takes as a warning: hbp works without the addon, on wasm.
 *
 *   node scripts/build-native.js [--force] [--sanitize]    # what `hbp native` and `make native` run
 *
 * --force builds even if the addon is newer than its sources; --sanitize builds native/build/hbp-sanitized.node with
 * AddressSanitizer and UndefinedBehaviorSanitizer, for tests.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = fileURLToPath(new URL('../native/', import.meta.url));
const output = join(native, 'build');
const sanitize = process.argv.includes('--sanitize');
const addon = join(output, sanitize ? 'hbp-sanitized.node' : 'hbp.node');

/** Where oneDNN may be besides the compiler's own folders: conda, Homebrew, or where DNNL_ROOT says. */
const prefixes = [process.env.DNNL_ROOT, process.env.CONDA_PREFIX, '/opt/homebrew', '/usr/local'].filter(Boolean);

function sourceFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? sourceFiles(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

function isUpToDate() {
  if (!existsSync(addon)) return false;
  const built = statSync(addon).mtimeMs;
  return [join(native, 'binding.gyp'), ...sourceFiles(join(native, 'src'))].every((f) => statSync(f).mtimeMs < built);
}

function findDnnl() {
  const system = ['/usr/include', '/usr/local/include'].some((dir) => existsSync(join(dir, 'oneapi/dnnl/dnnl.hpp')));
  const prefix = prefixes.find((dir) => existsSync(join(dir, 'include/oneapi/dnnl/dnnl.hpp')));
  if (prefix) return { include: join(prefix, 'include'), lib: join(prefix, 'lib') };
  return system ? { include: '', lib: '' } : null;
}

/** node-gyp downloads Node's headers unless they are beside this Node, as they are in every ordinary installation. */
function headersFlag() {
  const prefix = resolve(process.execPath, '../..');
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** The first line of a compiler's or node-gyp's output that says what is wrong. */
function reasonFrom(log) {
  const lines = log.split('\n').map((line) => line.trim());
  const telling = lines.find((line) => /(fatal )?error[: ]|not found|No such file|cannot find/i.test(line));
  return (telling ?? lines.findLast((line) => line) ?? 'node-gyp failed').replace(/^gyp ERR! (stack )?/, '');
}

function finish(ok, reason) {
  if (!sanitize) writeFileSync(join(output, 'status.json'), `${JSON.stringify({ ok, reason })}\n`);
  if (ok) console.log('The native backend is built');
  else console.error(`The native backend is not built: ${reason}`);
  process.exit(ok ? 0 : 1);
}

try {
  mkdirSync(output, { recursive: true });
  accessSync(output, constants.W_OK);
} catch (error) {
  console.error(`The native backend is not built: ${output} cannot be written (${error.code})`);
  process.exit(1);
}
if (!process.argv.includes('--force') && isUpToDate()) {
  console.log('The native backend is up to date');
  process.exit(0);
}
if (process.platform === 'win32') finish(false, 'it is not built on Windows');
const dnnl = findDnnl();
if (!dnnl) finish(false, 'oneDNN is not installed (oneapi/dnnl/dnnl.hpp was not found)');

console.log(`Building the native backend${sanitize ? ' with sanitizers' : ''} (a minute or two) ...`);
const directory = sanitize ? join(output, 'sanitized') : native;
if (sanitize) {
  cpSync(join(native, 'src'), join(directory, 'src'), { recursive: true });
  cpSync(join(native, 'binding.gyp'), join(directory, 'binding.gyp'));
}
const extra = sanitize ? '-fsanitize=address,undefined -fno-omit-frame-pointer -g' : '';
const defines = [`-Ddnnl_include=${dnnl.include}`, `-Ddnnl_lib=${dnnl.lib}`, `-Dextra_flags=${extra}`];
const steps = [
  ['configure', `--directory=${directory}`, ...headersFlag(), '--', ...defines],
  ['build', '--jobs=max', `--directory=${directory}`],
];
const gyp = join(dirname(createRequire(import.meta.url).resolve('node-gyp/package.json')), 'bin/node-gyp.js');
let log = '';
for (const step of steps) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [gyp, ...step], {
    cwd: dirname(native),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  log += `${stdout}\n${stderr}\n`;
  writeFileSync(join(output, 'build.log'), log);
  if (status !== 0) finish(false, error?.message ?? reasonFrom(log));
}
copyFileSync(join(directory, 'build/Release/hbp.node'), addon);
finish(true, null);
