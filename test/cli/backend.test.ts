/** `--backend` and HBP_BACKEND as they end a command: needs `npm run build` (make test sees to it). */
import { install, type Installation } from '../support/installation.js';
import { noLibrary, standIn } from '../support/tfjs-node.js';

const gpuPackage = '@tensorflow/tfjs-node-gpu';
const run = ['run', 'exp01', '--quick', '--dataset', 'synthetic-cifar10', '--variant', 'sgd'];

let installed: Installation;
afterEach(() => installed.remove());

it.each([
  [
    'no library',
    noLibrary,
    /tensorflow: @tensorflow\/tfjs-node-gpu: The Node\.js native addon module .+ - npm rebuild/,
  ],
  [
    'no GPU',
    standIn({ gpu: false }),
    /tensorflow: @tensorflow\/tfjs-node-gpu finds no GPU and runs on the CPU - install/,
  ],
])('gpu with %s ends with exit code 4 and one line that has a reason for each candidate', async (_, code, reason) => {
  installed = install({ [gpuPackage]: code });
  const byFlag = await installed.hbp([...run, '--backend', 'gpu']);
  const byVariable = await installed.hbp(run, { HBP_BACKEND: 'gpu' });
  for (const { code, stderr } of [byFlag, byVariable]) {
    expect(code).toBe(4);
    const lines = stderr.trim().split('\n');
    expect(lines.at(-1)).toMatch(
      /^hbp: no backend for --backend gpu \(tensorflow: .+; webgpu: .+\)\. `hbp doctor` shows/,
    );
    expect(lines.at(-1)).toMatch(reason);
    expect(stderr).not.toMatch(/\n {4}at /);
  }
});

it('tells which process it was when a library takes it down', async () => {
  installed = install({ [gpuPackage]: 'process.abort();' });
  const { code, stderr } = await installed.hbp(run);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^hbp: a training process ended at its start \(SIGABRT\): `hbp doctor` tells which backend/m);
  const named = await installed.hbp([...run, '--epochs', '1'], { HBP_BACKEND: 'wasm' });
  expect(named).toMatchObject({ code: 0 });
});
