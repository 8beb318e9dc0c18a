/** Multiplies for some seconds, while signals come that JavaScript handles: `node signals.js <addon> <seconds>`. */
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

const [, , file, seconds] = process.argv;
const addon = createRequire(import.meta.url)(file);
const shapes = new Int32Array([1, 256, 256, 256, 0, 0]);
addon.setShapes(shapes);
addon.setThreads(2);
const [a, b, c] = [0, 1, 2].map(() => new Float32Array(256 * 256).fill(1));
let [signals, wrong] = [0, 0];
process.on('SIGUSR2', () => signals++);
process.stdout.write('ready\n');
const end = performance.now() + 1000 * Number(seconds);
while (performance.now() < end) {
  for (let i = 0; i < 20; i++) addon.matMul(a, b, c, false, false);
  if (!c.every((each) => each === 256)) wrong++;
  await setImmediate(); // handlers run here
}
process.stdout.write(`${JSON.stringify({ signals, wrong })}\n`);
process.exit();
