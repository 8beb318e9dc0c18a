import { randomAt, seededStreams } from '../../src/lab/random.js';

const draw = (seed: number) => {
  const { init, shuffle, subset } = seededStreams(seed);
  return [init, shuffle, subset].map(({ uniform }) => Array.from({ length: 1000 }, uniform));
};

const correlation = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + (x - 0.5) * (b[i]! - 0.5), 0) / (a.length / 12);

describe('seededStreams', () => {
  it('repeats itself for the same seed', () => {
    expect(draw(3)).toEqual(draw(3));
  });

  it('gives unrelated streams for every purpose and for neighbouring seeds', () => {
    const streams = [...draw(0), ...draw(1), ...draw(2)];
    for (const [i, a] of streams.entries()) {
      for (const b of streams.slice(i + 1)) expect(Math.abs(correlation(a, b))).toBeLessThan(0.15);
    }
  });

  it('keeps one purpose unmoved by draws for another', () => {
    const [untouched, used] = [seededStreams(5), seededStreams(5)];
    for (let i = 0; i < 100; i++) used.init.uniform();
    expect(used.shuffle.uniform()).toBe(untouched.shuffle.uniform());
  });

  it('draws uniformly from [0, 1) and from the integers below n', () => {
    const { init, shuffle } = seededStreams(0);
    const values = Array.from({ length: 20_000 }, init.uniform);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.reduce((a, b) => a + b) / values.length).toBeCloseTo(0.5, 2);
    const hits = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) hits[shuffle.int(7)]!++;
    for (const count of hits) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('goes on where a stream stands', () => {
    const { init } = seededStreams(0);
    init.int(7);
    const before = init.getState();
    const again = randomAt(JSON.parse(JSON.stringify(before)) as number[]);
    expect(Array.from({ length: 100 }, again.uniform)).toEqual(Array.from({ length: 100 }, init.uniform));
    expect(init.getState()).not.toEqual(before);
    expect(again.getState()).toEqual(init.getState());
  });
});
