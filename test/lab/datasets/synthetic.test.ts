import { batchImages, inOrder } from '../../../src/lab/datasets/batches.js';
import type { Split } from '../../../src/lab/datasets/dataset.js';
import { generate, syntheticCifar10 } from '../../../src/lab/datasets/synthetic.js';
import { seededStreams } from '../../../src/lab/random.js';
import { convolutionalFeatures, linearAccuracy } from './classifiers.js';

const { train, test } = generate({ train: 3000, test: 1000 });
const normalised = (split: Split): Float32Array => batchImages(syntheticCifar10, split, inOrder(split.count));

describe('synthetic-cifar10', () => {
  it('is the same every time, and other with another seed', () => {
    const again = generate({ train: 20, test: 20 });
    expect(again).toEqual(generate({ train: 20, test: 20 }));
    expect(generate({ train: 20, test: 20 }, 1).train.images).not.toEqual(again.train.images);
    expect(again.test.images).not.toEqual(again.train.images);
  });

  it('gives sample i the same bytes however many are asked for', () => {
    const few = generate({ train: 30, test: 10 });
    expect(few.train.images).toEqual(train.images.subarray(0, 30 * 3072));
    expect(few.test.images).toEqual(test.images.subarray(0, 10 * 3072));
  });

  it('has balanced classes', () => {
    const counts = new Array<number>(10).fill(0);
    for (const label of train.labels) counts[label]!++;
    expect(counts).toEqual(new Array(10).fill(300));
  });

  it('has about the mean and standard deviation of CIFAR-10 in every channel', () => {
    const values = normalised(train);
    for (const channel of [0, 1, 2]) {
      let [sum, squares] = [0, 0];
      for (let i = channel; i < values.length; i += 3) {
        sum += values[i]!;
        squares += values[i]! ** 2;
      }
      const n = values.length / 3;
      expect(Math.abs(sum / n)).toBeLessThan(0.05);
      expect(Math.abs(Math.sqrt(squares / n) - 1)).toBeLessThan(0.1);
    }
  });

  it('shows a linear model something and convolutional features clearly more, but nobody everything', () => {
    const rng = seededStreams(0).init;
    const onPixels = linearAccuracy(normalised(train), train.labels, normalised(test), test.labels);
    const features = convolutionalFeatures(rng);
    const onFeatures = linearAccuracy(
      features(normalised(train)),
      train.labels,
      features(normalised(test)),
      test.labels,
    );
    expect(onPixels).toBeGreaterThan(0.25);
    expect(onPixels).toBeLessThan(0.45);
    expect(onFeatures).toBeGreaterThan(onPixels + 0.15);
    expect(onFeatures).toBeLessThan(0.95);
  });
});
