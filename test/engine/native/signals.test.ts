/** Signals that reach a process while oneDNN multiplies; native/src/signals.h says why. */
import { spawn } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { testBackends } from '../../support/backends.js';

const home = fileURLToPath(new URL('../../..', import.meta.url));
const script = fileURLToPath(new URL('signals.js', import.meta.url));

(testBackends.includes('native') ? it : it.skip)('signals corrupt no memory', async () => {
  const addon = `${home}native/build/hbp.node`;
  const child = spawn(process.execPath, [script, addon, '2'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += String(data)));
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('exit', (code, signal) => resolve([code, signal]));
  });
  let isOver = false;
  void ended.then(() => (isOver = true));
  while (!isOver) {
    if (output.startsWith('ready') && !output.includes('}')) child.kill('SIGUSR2');
    await setImmediate();
  }
  expect(await ended).toEqual([0, null]);
  const { signals, wrong } = JSON.parse(output.split('\n')[1] ?? '') as { signals: number; wrong: number };
  expect(wrong).toBe(0);
  expect(signals).toBeGreaterThan(20);
});
