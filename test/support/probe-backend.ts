/** Run by global-setup.js for one backend, in a process of its own: prints what it is as JSON, or fails with the reason. */
import { parseBackend, useBackend } from '../../src/engine/backend/index.js';
import * as tf from '../../src/engine/tf.js';

try {
  const { description } = await useBackend(parseBackend(process.argv[2] ?? ''));
  const [product] = await tf.matMul(tf.tensor2d([[2, 3]]), tf.tensor2d([[5], [7]])).data();
  if (product !== 31) throw new Error(`it says that 2 * 5 + 3 * 7 is ${product}`);
  process.stdout.write(`${JSON.stringify({ description })}\n`, () => process.exit(0));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1));
}
