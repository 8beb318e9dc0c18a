/**
 * Before any test: find out which backends work on this machine and tell the suites by HBP_TEST_BACKENDS, which a user
 * may set, too (`HBP_TEST_BACKENDS=cpu,native npm test`). What is left out is said, each with its reason.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const all = ['cpu', 'wasm', 'native', 'webgpu'];
/** They need nothing that may be absent: if they fail, tests do. */
const always = ['cpu', 'wasm'];

export default async function setUp() {
  useSoftwareGpu();
  letThreadsSleep();
  findBrowser();
  const asked = process.env.HBP_TEST_BACKENDS?.split(',').map((name) => name.trim());
  const unknown = asked?.filter((name) => !all.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`HBP_TEST_BACKENDS: unknown backend ${unknown.join(', ')}; there are ${all.join(', ')}`);
  }
  const probes = await Promise.all(
    all.map(async (name) => ({ name, reason: asked && !asked.includes(name) ? notAsked : await whyNot(name) })),
  );
  for (const { name, reason } of probes.filter(({ reason }) => reason !== null)) {
    if (asked?.includes(name)) throw new Error(`HBP_TEST_BACKENDS: ${name} does not work here: ${reason}`);
    process.stderr.write(`tests leave out the backend ${name}: ${reason}\n`);
  }
  const working = probes.filter(({ reason }) => reason === null).map(({ name }) => name);
  const inPart = working.filter((name) => name === 'cpu' || name === 'webgpu');
  if (inPart.length > 0 && process.env.HBP_TEST_CASES !== 'all') {
    process.stderr.write(
      `tests on ${inPart.join(' and ')} take a part of the cases, each suite says which; HBP_TEST_CASES=all takes all\n`,
    );
  }
  process.env.HBP_TEST_BACKENDS = working.join(',');
}

const notAsked = 'HBP_TEST_BACKENDS does not name it';

/** SwiftShader from scripts/install-software-gpu.sh, if it is there and no other driver was chosen. Inherited by all test processes. */
function useSoftwareGpu() {
  const icd = fileURLToPath(new URL('../../node_modules/.cache/swiftshader/icd.json', import.meta.url));
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES || !existsSync(icd)) return;
  process.env.VK_ICD_FILENAMES = icd;
  process.env.VK_DRIVER_FILES = icd;
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
}

/**
 * The backend native says this itself, but a test's `process.env` is a copy: OpenMP does not see it. Every worker has as
 * many threads as there are cores; the native suites take twice as long if those that wait spin.
 */
function letThreadsSleep() {
  process.env.OMP_WAIT_POLICY ??= 'passive';
  process.env.GOMP_SPINCOUNT ??= '0';
}

/** A Chromium for the tests of the pages, told to them by HBP_TEST_CHROMIUM, which a user may set, too. */
function findBrowser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const places = (process.env.PATH ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)));
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  process.env.HBP_TEST_CHROMIUM ??= [...places, mac].find(existsSync) ?? '';
  if (process.env.HBP_TEST_CHROMIUM === '') {
    process.stderr.write(
      'tests of the pages in a browser are left out: no Chromium here (HBP_TEST_CHROMIUM names one)\n',
    );
  }
}

/** Null if the backend works. */
async function whyNot(name) {
  if (always.includes(name)) return null;
  const file = (path) => fileURLToPath(new URL(path, import.meta.url));
  const hooks = new URL('./typescript-hooks.js', import.meta.url).href;
  try {
    await promisify(execFile)(process.execPath, ['--import', hooks, file('./probe-backend.ts'), name], {
      timeout: 60_000,
    });
    return null;
  } catch (error) {
    if (error.killed) return 'it did not start within a minute';
    // Drivers may write warnings of their own before.
    const last = error.stderr?.trim().split('\n').at(-1);
    return last || `its process ended with ${error.signal ?? error.code}`;
  }
}
