/** One linear layer on MNIST, trained by CG-Newton with the generalised Gauss-Newton matrix. */
import { Flatten, linear, Sequential, xavierNormal } from 'hbp';
import { seededStreams } from '../dist/lab/random.js';
import { loadPictures, segmentDigits } from './data.js';
import { start } from './options.js';
import { plot, trainingSpec } from './plot.js';
import { train } from './train.js';

const title = 'One linear layer on digits: CG-Newton, GGN by Hessian backpropagation';
const { quick, out } = await start(title);
const random = seededStreams(0);

const pictures = await loadPictures('mnist', quick ? 2_000 : undefined, (samples = 10_000) =>
  segmentDigits(samples, random.subset),
);
const model = new Sequential([new Flatten(), linear(784, 10, xavierNormal, random.init)]);
const records = await train(model, pictures, {
  epochs: 2,
  batchSize: 500,
  curvature: { secondOrder: 'zero' },
  random: random.shuffle,
});
await plot(out, '01-single-layer-mnist', trainingSpec(title, pictures.label, records));
