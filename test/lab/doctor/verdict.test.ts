import type { BackendName } from '../../../src/engine/backend/index.js';
import type { Probed } from '../../../src/lab/doctor/probe.js';
import { canTrain, judge } from '../../../src/lab/doctor/verdict.js';

const fails = (name: BackendName): Probed => ({
  probe: { name, needs: 'much', works: false, reason: `no ${name}`, remedy: `get ${name}` },
  speed: null,
});
const works = (name: BackendName, more: Partial<{ gpu: boolean; auto: boolean; caveat: boolean }> = {}): Probed => {
  const { gpu = false, auto = true, caveat = false } = more;
  const backend = { name, description: name, gpu, threads: 2, version: '1' };
  const because = { reason: 'software', remedy: 'a GPU' };
  return {
    probe: { name, needs: '', works: true, auto, backend: { ...backend, ...(caveat && { caveat: because }) } },
    speed: { matMul: 50, conv2d: 25 },
  };
};
const peak = { gflops: 100, cores: 2, flopPerCycle: 16, units: '', ghz: 3, clock: 'nominal' } as const;
const brief = (all: readonly Probed[]): string[] =>
  judge(all, peak).map(({ name, state, chosen }) => `${name} ${state}${chosen ? ' chosen' : ''}`);

it('chooses the first that auto may take', () => {
  const slowGpu = works('webgpu', { auto: false, caveat: true });
  expect(brief([fails('tensorflow'), slowGpu, works('native'), works('wasm'), works('cpu')])).toEqual([
    'tensorflow fails',
    'webgpu slow',
    'native works chosen',
    'wasm works',
    'cpu slow',
  ]);
});

it('finds wasm slow where nothing faster works, and says what would', () => {
  const all = [works('webgpu', { auto: false, caveat: true }), fails('native'), works('wasm'), works('cpu')];
  expect(brief(all)).toEqual(['webgpu slow', 'native fails', 'wasm slow chosen', 'cpu slow']);
  expect(judge(all, peak)[2]).toMatchObject({ remedy: 'get native' });
});

it('gives shares of the peak of the CPU, not of a GPU', () => {
  const [gpu, cpu] = judge([works('webgpu', { gpu: true }), works('native')], peak);
  expect(gpu?.speed?.matMul).toEqual({ gflops: 50, shareOfPeak: null });
  expect(cpu?.speed).toEqual({
    matMul: { gflops: 50, shareOfPeak: 0.5 },
    conv2d: { gflops: 25, shareOfPeak: 0.25 },
  });
  expect(judge([works('native')], null)[0]?.speed?.matMul.shareOfPeak).toBeNull();
});

it('calls a machine fit to train with any backend but the reference', () => {
  expect(canTrain(judge([fails('native'), works('wasm'), works('cpu')], peak))).toBe(true);
  expect(canTrain(judge([fails('native'), fails('wasm'), works('cpu')], peak))).toBe(false);
});
