import {
  batchImages,
  batchLabels,
  drawSubset,
  indexBatches,
  inOrder,
  shuffled,
} from '../../../src/lab/datasets/batches.js';
import { seededStreams } from '../../../src/lab/random.js';

const dataset = { shape: [1, 2, 3], mean: [0.5, 0.25, 0.125], std: [0.25, 0.5, 1] } as const;
const split = {
  count: 2,
  images: Uint8Array.of(0, 51, 102, 153, 204, 255, 255, 204, 153, 102, 51, 0),
  labels: Uint8Array.of(7, 3),
};

describe('batches', () => {
  it('normalises every channel by its own mean and standard deviation, in the order asked for', () => {
    const expected = [1, 0].flatMap((n) =>
      [0, 1].flatMap((x) =>
        [0, 1, 2].map((c) => (split.images[n * 6 + x * 3 + c]! / 255 - dataset.mean[c]!) / dataset.std[c]!),
      ),
    );
    expect([...batchImages(dataset, split, [1, 0])]).toEqual(expected.map(Math.fround));
    expect([...batchLabels(split, [1, 0])]).toEqual([3, 7]);
  });

  it('cuts indices into batches and keeps the smaller last one', () => {
    expect([...indexBatches(inOrder(7), 3)].map((batch) => [...batch])).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect([...indexBatches(inOrder(0), 3)]).toEqual([]);
  });

  it('shuffles: a permutation, another each time, the same for the same seed', () => {
    const { shuffle } = seededStreams(1);
    const [first, second] = [shuffled(100, shuffle), shuffled(100, shuffle)];
    expect([...first].sort((a, b) => a - b)).toEqual([...inOrder(100)]);
    expect([...second]).not.toEqual([...first]);
    expect([...shuffled(100, seededStreams(1).shuffle)]).toEqual([...first]);
  });

  it('makes every order as likely', () => {
    const { shuffle } = seededStreams(2);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffled(3, shuffle).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('draws subsets without replacement, all elements as often', () => {
    const { subset } = seededStreams(3);
    const hits = new Array<number>(10).fill(0);
    for (let i = 0; i < 5000; i++) {
      const drawn = drawSubset(10, 4, subset);
      expect(new Set(drawn).size).toBe(4);
      for (const index of drawn) hits[index]!++;
    }
    for (const count of hits) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });
});
