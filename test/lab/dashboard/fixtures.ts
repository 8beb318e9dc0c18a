import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import { formatRow, metricsHeader, type MetricsRow } from '../../../src/lab/results/metrics.js';
import { self } from '../../../src/lab/results/owner.js';
import { writeRecord, type RunRecord } from '../../../src/lab/results/record.js';
import { someEnvironment, someRow, someSpec } from '../results/support.js';

/** A run folder as it would be after so many rows, without a writer. Returns its path. */
export function writeRun(
  root: string,
  change: Partial<RunSpec> = {},
  rows = 3,
  record: Partial<RunRecord> = {},
): string {
  const spec = someSpec(change);
  const dir = join(root, spec.experiment, spec.variant, `seed${spec.seed}`);
  mkdirSync(dir, { recursive: true });
  const lines = Array.from({ length: rows }, (_, i) => formatRow(rowAt(i)));
  writeFileSync(join(dir, 'metrics.csv'), metricsHeader + lines.join(''));
  const now = new Date().toISOString();
  writeRecord(dir, {
    ...{ spec, specHash: 'x', state: 'done', reason: null, startedAt: now, heartbeatAt: now, finishedAt: now },
    ...{ wallSeconds: rows, owner: self(), ...someEnvironment, lastRow: rows > 0 ? rowAt(rows - 1) : null },
    ...record,
  });
  return dir;
}

export function rowAt(i: number): MetricsRow {
  return someRow(1 + 10 * i, { test_loss: 2.3 - i / 1000, train_loss: 2.2 - i / 1000 });
}

export function appendRow(dir: string, row: MetricsRow): void {
  appendFileSync(join(dir, 'metrics.csv'), formatRow(row));
}

/** Until it holds; fails after some seconds. */
export async function until(holds: () => boolean, seconds = 10): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`still not so after ${seconds} s: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
