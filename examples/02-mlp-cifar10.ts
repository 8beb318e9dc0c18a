/** A sigmoid network on CIFAR-10, trained by CG-Newton with the positive-curvature Hessian; half an hour on a CPU. */
import { mlp } from 'hbp';
import { seededStreams } from '../dist/lab/random.js';
import { loadPictures, syntheticCifar10 } from './data.js';
import { start } from './options.js';
import { plot, trainingSpec } from './plot.js';
import { train } from './train.js';

const title = 'Sigmoid MLP on pictures: CG-Newton, PCH (abs) by Hessian backpropagation';
const { quick, out } = await start(title);
const random = seededStreams(0);

const pictures = await loadPictures('cifar10', quick ? 1_000 : undefined, syntheticCifar10);
const model = mlp(
  { input: 3072, hidden: quick ? [64, 32] : [1024, 512, 256, 128], output: 10 },
  'sigmoid',
  random.init,
);
const records = await train(model, pictures, {
  epochs: quick ? 3 : 30,
  batchSize: quick ? 100 : 500,
  curvature: { secondOrder: 'abs' },
  random: random.shuffle,
});
await plot(out, '02-mlp-cifar10', trainingSpec(title, pictures.label, records));
