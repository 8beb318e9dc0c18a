/**
 * What has to stand in a process's environment before a library with OpenMP is loaded.
 *
 * Threads that wait for work spin by default, and processes that share cores then hold up each other: two of two threads
 * each on two cores need six times as long as if their threads slept. Threads that sleep at once need a third longer
 * than that alone, since waking takes longer than many a kernel. So they spin for some 20 microseconds, then sleep:
 * a tenth longer alone, one and a half times as long where cores are shared. A GOMP_SPINCOUNT of the user's stays.
 */
export function threadEnvironment(
  threads: number,
): Record<'OMP_NUM_THREADS' | 'OMP_WAIT_POLICY' | 'GOMP_SPINCOUNT', string> {
  return {
    OMP_NUM_THREADS: String(threads),
    OMP_WAIT_POLICY: 'passive',
    GOMP_SPINCOUNT: process.env['GOMP_SPINCOUNT'] ?? '20000',
  };
}
