import { runsSideBySide, threadsPerRun } from '../../../src/lab/training/parallelism.js';

const auto = { jobs: 'auto', threads: 'auto' } as const;
const onCpu = (threads: number): { gpu: boolean; threads: number } => ({ gpu: false, threads });

it.each([
  // As many runs as cores or more: one thread each. Fewer: the cores are shared among them.
  { runs: 40, cores: 8, jobs: 8, threads: 1 },
  { runs: 8, cores: 8, jobs: 8, threads: 1 },
  { runs: 5, cores: 8, jobs: 5, threads: 1 },
  { runs: 4, cores: 8, jobs: 4, threads: 2 },
  { runs: 3, cores: 8, jobs: 3, threads: 2 },
  { runs: 1, cores: 8, jobs: 1, threads: 8 },
  { runs: 4, cores: 2, jobs: 2, threads: 1 },
  { runs: 1, cores: 1, jobs: 1, threads: 1 },
])('auto: $runs runs on $cores cores go $jobs at a time with $threads threads each', ({ runs, cores, ...expected }) => {
  const threads = threadsPerRun(auto, runs, cores);
  expect({ jobs: runsSideBySide(auto, runs, onCpu(threads), cores), threads }).toEqual(expected);
});

it.each([
  { jobs: 1, threads: 'auto', expected: [1, 16] },
  { jobs: 2, threads: 'auto', expected: [2, 8] },
  { jobs: 32, threads: 'auto', expected: [20, 1] },
  { jobs: 'auto', threads: 4, expected: [4, 4] },
  { jobs: 'auto', threads: 32, expected: [1, 32] },
  { jobs: 3, threads: 4, expected: [3, 4] },
] as const)('jobs $jobs, threads $threads on 16 cores: 20 runs go $expected', ({ expected, ...asked }) => {
  const threads = threadsPerRun(asked, 20, 16);
  expect([runsSideBySide(asked, 20, onCpu(threads), 16), threads]).toEqual(expected);
});

it('fills the cores on a backend of one thread, and shares a GPU only when told to', () => {
  expect(runsSideBySide({ jobs: 'auto', threads: 4 }, 20, onCpu(1), 16)).toBe(16);
  expect(runsSideBySide(auto, 20, { gpu: true, threads: 1 }, 16)).toBe(1);
  expect(runsSideBySide({ ...auto, jobs: 3 }, 20, { gpu: true, threads: 1 }, 16)).toBe(3);
});

it('has something to say of no runs at all', () => {
  expect(threadsPerRun(auto, 0, 4)).toBe(4);
  expect(runsSideBySide(auto, 0, onCpu(4), 4)).toBe(1);
});
