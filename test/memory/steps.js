/**
 * Takes steps of an optimiser in a process of its own and prints what it holds, as JSON: `node --expose-gc steps.js
 * <backend> <optimiser as JSON> <steps>`. Needs `npm run build`.
 */
import { readFileSync } from 'node:fs';
import { parseBackend, useBackend } from '../../dist/engine/backend/index.js';
import * as tf from '../../dist/engine/tf.js';
import { optimizerSchema } from '../../dist/lab/config/schema.js';
import { seededStreams } from '../../dist/lab/random.js';
import { createModel } from '../../dist/lab/training/model.js';
import { createStepper } from '../../dist/lab/training/step.js';

const [, , backend, optimizer, steps] = process.argv;
await useBackend(parseBackend(backend), { threads: 1 });
const [side, samples, every] = [8, 10, 20];
const streams = seededStreams(1);
const network = { hidden: [12, 8], activation: 'sigmoid' };
const model = createModel(network, { shape: [side, side, 3], classes: 10 }, streams.init);
const stepper = createStepper(model, optimizerSchema.parse(JSON.parse(optimizer)));
const values = Float32Array.from({ length: samples * side * side * 3 }, () => streams.shuffle.uniform());
const classes = Array.from({ length: samples }, () => streams.shuffle.int(10));

/** Of the whole process, native memory too [KB]. */
const resident = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);

const held = [];
for (let step = 1; step <= Number(steps); step++) {
  const batch = { inputs: tf.tensor(values, [samples, side, side, 3]), labels: tf.tensor1d(classes, 'int32') };
  const score = await stepper.step(batch);
  await score.data();
  tf.dispose([score, batch.inputs, batch.labels]);
  if (step % every !== 0) continue;
  globalThis.gc();
  held.push({ step, kb: resident(), tensors: tf.memory().numTensors });
}
process.stdout.write(JSON.stringify(held));
