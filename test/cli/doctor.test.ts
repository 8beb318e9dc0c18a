/** `hbp doctor` as a process: needs `npm run build` (make test sees to it). */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../../src/lab/doctor/index.js';
import type { BackendReport } from '../../src/lab/doctor/verdict.js';
import { install, type Installation } from '../support/installation.js';
import { standIn } from '../support/tfjs-node.js';

const gpuPackage = '@tensorflow/tfjs-node-gpu';

let installed: Installation;
const given = (standIns: Readonly<Record<string, string>> = {}): Installation => (installed = install(standIns));
afterEach(() => installed.remove());

interface Seen {
  readonly code: number | null;
  readonly report: Report;
  readonly of: (name: string) => BackendReport;
}

async function doctor(...args: string[]): Promise<Seen> {
  const { code, stdout, stderr } = await installed.hbp(['doctor', '--json', ...args]);
  expect(stderr).toBe('');
  const report = JSON.parse(stdout) as Report;
  return { code, report, of: (name) => report.backends.find((backend) => backend.name === name)! };
}

/** Take a package away. */
const without = (name: string): void => rmSync(join(installed.folder, 'node_modules', name), { recursive: true });

it('tells all of the machine, every backend, dataset and disk', async () => {
  const { folder } = given();
  const { code, report, of } = await doctor('--no-bench', '--data-dir', join(folder, 'elsewhere'));
  expect(code).toBe(0);
  expect(report.machine).toMatchObject({ node: process.version, tfjs: '4.22.0', arch: process.arch });
  expect(report.machine.processor.available).toBeGreaterThan(0);
  expect(report.machine.memory.total).toBeGreaterThan(2 ** 28);
  expect(report.machine.memory.available).toBeLessThanOrEqual(report.machine.memory.total);
  expect(report.backends.map(({ name }) => name)).toEqual(['tensorflow', 'webgpu', 'native', 'wasm', 'cpu']);
  for (const { state, reason, remedy, version, threads, speed } of report.backends) {
    if (state === 'fails') expect([reason, remedy]).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)]);
    else expect([version, threads]).toEqual([expect.stringMatching(/\d/), expect.any(Number)]);
    expect(speed).toBeNull();
  }
  expect(of('tensorflow')).toMatchObject({
    state: 'fails',
    remedy: `npm install --no-save --foreground-scripts ${gpuPackage}@4.22.0`,
  });
  expect(of('webgpu').state).toBe('fails');
  expect(of('native')).toMatchObject({ state: 'fails', reason: expect.stringMatching(/not built/) as string });
  expect(of('wasm')).toMatchObject({ state: 'slow', chosen: true, remedy: of('native').remedy });
  expect(of('cpu')).toMatchObject({ state: 'slow', version: '4.22.0', threads: 1 });
  expect(report.canTrain).toBe(true);
  expect(report.datasets).toContainEqual({ name: 'synthetic-cifar10', location: { state: 'generated' } });
  expect(report.datasets[0]).toMatchObject({ name: 'cifar10', location: { state: 'missing' } });
  expect(report.disk.map((disk) => disk.folder)).toEqual(
    ['elsewhere', 'data', 'fig'].map((name) => join(folder, name)),
  );
  for (const { free } of report.disk) expect(free).toBeGreaterThan(0);
});

it('measures what works, against the peak', async () => {
  given({ [gpuPackage]: standIn({ gpu: true }) });
  const { report, of } = await doctor();
  expect(report.auto).toBe('tensorflow');
  const { gflops, shareOfPeak } = of('wasm').speed!.matMul;
  expect(gflops).toBeGreaterThan(0);
  const { peak } = report.machine;
  expect(shareOfPeak).toBe(peak && gflops / peak.gflops);
  expect(of('wasm').speed!.conv2d.gflops).toBeGreaterThan(0);
  // A GPU's peak is not known.
  expect(of('tensorflow')).toMatchObject({ state: 'works', gpu: true, speed: { matMul: { shareOfPeak: null } } });
});

it('says what a GPU package lacks that runs on the CPU', async () => {
  given({ [gpuPackage]: standIn({ gpu: false }) });
  const { report, of } = await doctor('--no-bench');
  expect(report.auto).toBe('tensorflow');
  expect(of('tensorflow')).toMatchObject({
    ...{ state: 'slow', chosen: true, gpu: false },
    ...{
      reason: `${gpuPackage} finds no GPU and runs on the CPU`,
      remedy: expect.stringContaining('CUDA 11.2') as string,
    },
  });
  expect(of('wasm').state).toBe('works');
});

it.each([
  ['crashes', 'process.abort();', /^loading it failed: its process was ended by SIGABRT/],
  [
    'ends as by an uncaught error',
    'process.stderr.write("TypeError: no device\\n    at somewhere\\n\\nNode.js v20\\n"); process.exit(1);',
    /ended with exit code 1: TypeError: no device$/,
  ],
  [
    'ends the process',
    'process.stderr.write("no licence\\n"); process.exit(7);',
    /ended with exit code 7: no licence$/,
  ],
])('survives a library that %s, and so do the other backends', async (_how, code, reason) => {
  given({ [gpuPackage]: code });
  const { code: exitCode, report, of } = await doctor('--no-bench');
  expect(of('tensorflow')).toMatchObject({ state: 'fails', reason: expect.stringMatching(reason) as string });
  expect(of('wasm').state).not.toBe('fails');
  expect(report.auto).not.toBe('tensorflow');
  expect(exitCode).toBe(0);
});

it('gives up on a library that hangs', async () => {
  given({ [gpuPackage]: 'for (;;);' });
  const { stdout } = await installed.evaluate(`
    import { probeApart } from './dist/lab/doctor/probe.js';
    process.execArgv.splice(0); // this text is not for the process that is started
    const options = { milliseconds: 0, threads: 1, patience: 3000 };
    console.log(JSON.stringify(await probeApart('tensorflow', options)));
  `);
  expect(JSON.parse(stdout)).toMatchObject({
    probe: { works: false, reason: 'loading it failed: did not answer within 3 s' },
  });
});

it('does not call a backend working that computes nonsense', async () => {
  const wrong = `
    const add = tf.getKernel('Add', 'cpu').kernelFunc;
    tf.unregisterKernel('BatchMatMul', 'cpu');
    tf.registerKernel({ kernelName: 'BatchMatMul', backendName: 'cpu', kernelFunc: add });
  `;
  given({ [gpuPackage]: standIn({ gpu: true, before: wrong }) });
  const { report, of } = await doctor();
  expect(of('tensorflow')).toMatchObject({
    state: 'fails',
    reason: 'it loads, but computing failed: wrong result: 0.75 instead of 8',
  });
  expect(report.auto).not.toBe('tensorflow');
});

it('ends with code 4 where nothing but the reference works', async () => {
  given();
  without('@tensorflow/tfjs-backend-wasm');
  const { code, report, of } = await doctor('--no-bench');
  expect(of('wasm')).toMatchObject({
    state: 'fails',
    reason: expect.stringContaining("Cannot find package '@tensorflow/tfjs-backend-wasm'") as string,
  });
  expect(of('cpu').state).toBe('slow');
  expect({ code, canTrain: report.canTrain, auto: report.auto }).toEqual({ code: 4, canTrain: false, auto: 'cpu' });
});

it('says in words what the colours say', async () => {
  given({ [gpuPackage]: standIn({ gpu: false }) });
  const plain = await installed.hbp(['doctor', '--no-bench'], { COLUMNS: '80' });
  expect(plain).toMatchObject({ code: 0, stderr: '' });
  // eslint-disable-next-line no-control-regex -- that there are none
  expect(plain.stdout).not.toMatch(/\u001b/);
  expect(plain.stdout).toMatch(/^ {2}CPU {7}\S/m);
  expect(plain.stdout).toMatch(/^ {2}! slow {4}tensorflow {2}@tensorflow\/tfjs-node-gpu, CPU/m);
  expect(plain.stdout).toMatch(/^ {2}✘ no {6}webgpu {6}\S/m);
  expect(plain.stdout).toMatch(/^ {2}✔ works {3}wasm {8}WebAssembly/m);
  expect(plain.stdout).toMatch(/^ +-> install CUDA 11\.2/m);
  expect(plain.stdout).toMatch(/^ {2}! missing {3}cifar10 /m);
  expect(plain.stdout).toMatch(/^ {2}✔ \w+ +[\d.]+ \wiB +free in /m);
  expect(plain.stdout).toMatch(/^! hbp can train here: --backend auto takes tensorflow/m);
  expect(plain.stdout).not.toContain('HBP_BACKEND');
  const coloured = await installed.hbp(['doctor', '--no-bench'], {
    NO_COLOR: '',
    FORCE_COLOR: '1',
    HBP_BACKEND: 'wasm',
  });
  expect(coloured.stdout).toContain('HBP_BACKEND=wasm is set');
  expect(coloured.stdout).toContain('\u001b[33m! slow\u001b[39m');
  expect(coloured.stdout).toContain('\u001b[31m✘ no\u001b[39m');
  expect(coloured.stdout).toContain('\u001b[32m✔ works\u001b[39m');
});
