import { backendOrder, parseBackend, probeBackends, useBackend } from '../../src/engine/backend/index.js';
import { BackendError } from '../../src/errors.js';
import * as tf from '../../src/engine/tf.js';

it('takes the one that is named', async () => {
  expect((await useBackend('cpu')).name).toBe('cpu');
  expect(tf.getBackend()).toBe('cpu');
  const wasm = await useBackend('wasm', { threads: 8 });
  expect(wasm).toMatchObject({ name: 'wasm', gpu: false, threads: 1, version: '4.22.0' });
  expect(tf.getBackend()).toBe('wasm');
});

it('takes a positive whole number of threads', async () => {
  for (const threads of [0, -1, 1.5, NaN]) {
    await expect(useBackend('cpu', { threads })).rejects.toThrow(/threads is a positive integer, not/);
  }
});

it('knows no other names', () => {
  expect(parseBackend('wasm')).toBe('wasm');
  expect(parseBackend('native')).toBe('native');
  expect(() => parseBackend('wsam')).toThrow(BackendError);
  expect(() => parseBackend('wsam')).toThrow(/unknown backend "wsam": one of auto, gpu/);
});

it('says for each whether it works, or why not and what to do', async () => {
  expect(backendOrder).toEqual(['tensorflow', 'webgpu', 'native', 'wasm', 'cpu']);
  const probes = await probeBackends();
  expect(probes.map(({ name }) => name)).toEqual(backendOrder);
  for (const probe of probes) {
    expect(probe.needs).not.toBe('');
    if (probe.works) {
      expect(probe.backend).toMatchObject({ name: probe.name, version: expect.stringMatching(/\d/) as string });
      expect(probe.backend.threads).toBeGreaterThan(0);
    } else {
      expect(probe.reason).toMatch(/^\S.+$/);
      expect(probe.remedy).toMatch(/^\S.+$/);
    }
  }
  for (const name of ['wasm', 'cpu']) expect(probes.find((probe) => probe.name === name)?.works).toBe(true);
});

it('says why there is no GPU backend, unless there is one', async () => {
  const gpus = (await probeBackends()).filter((probe) => probe.works && probe.backend.gpu);
  const attempt = useBackend('gpu');
  if (gpus.length > 0) expect((await attempt).gpu).toBe(true);
  else await expect(attempt).rejects.toThrow(/no backend for --backend gpu \(tensorflow: .+; webgpu: .+\)/);
});
