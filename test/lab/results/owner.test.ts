import { isAlive, self } from '../../../src/lab/results/owner.js';

const environment = process.env;
afterEach(() => (process.env = environment));

/** As Slurm has it for the processes of a job. */
function inJob(id: string, restarts?: number, cluster = 'lab'): void {
  const count = restarts === undefined ? {} : { SLURM_RESTART_COUNT: String(restarts) };
  process.env = { ...environment, SLURM_JOB_ID: id, SLURM_CLUSTER_NAME: cluster, ...count };
}

test('outside of a job an owner has none', () => {
  expect(self()).not.toHaveProperty('job');
  inJob('12');
  expect(self().job).toEqual({ id: 'lab:12', restarts: 0 });
});

test('the processes of a job on another node are dead once the job has been started again', () => {
  inJob('12', 1);
  const owner = { ...self(), host: 'a-node-that-is-gone' };
  const now = Date.now();
  expect(isAlive(owner, now)).toBe(true); // the same start: they may be many
  inJob('12', 2);
  expect(isAlive(owner, now)).toBe(false);
  for (const [id, restarts, cluster] of [
    ['13', 2],
    ['12', 0],
    ['12', 2, 'another'],
  ] as const) {
    inJob(id, restarts, cluster);
    expect(isAlive(owner, now)).toBe(true);
  }
  // Here it is known whether a process lives.
  inJob('12', 2);
  expect(isAlive({ ...self(), job: { id: 'lab:12', restarts: 1 } }, now)).toBe(true);
});
