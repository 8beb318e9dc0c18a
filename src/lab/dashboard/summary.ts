import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runName } from '../config/spec.js';
import { dampingOf } from '../config/damping.js';
import { diagnosticsFile } from '../results/diagnostics.js';
import type { RunInfo } from '../results/inspect.js';
import type { RunRecord } from '../results/record.js';
import type { RunSummary } from './api.js';

/** A run as the dashboard lists it. */
export function summarise(info: RunInfo): RunSummary {
  const { experiment, variant, seed, state, reason, progress, record } = info;
  const row = record?.lastRow ?? null;
  return {
    ...{ name: runName(info), experiment, variant, seed, state, reason, progress },
    epoch: row?.epoch ?? 0,
    epochs: record?.spec.epochs ?? null,
    step: row?.step ?? 0,
    wallSeconds: record?.wallSeconds ?? 0,
    secondsLeft: record && state === 'running' ? secondsLeft(record, progress) : null,
    stepSeconds: row && row.step > 0 ? row.train_wall_s / row.step : null,
    trainLoss: finite(row?.train_loss),
    testLoss: finite(row?.test_loss),
    testAccuracy: finite(row?.test_accuracy),
    computedBy: record && computedBy(record),
    cpu: record?.cpu ?? null,
    gpu: record?.gpu ?? null,
    startedAt: record?.startedAt ?? null,
    heartbeatAt: record?.heartbeatAt ?? null,
    pid: record?.owner.pid ?? null,
    damping: record && dampingOf(record.spec.optimizer),
    hasDiagnostics: existsSync(join(info.dir, diagnosticsFile)),
  };
}

/** By the pace of the part that the last evaluation has seen: the whole takes wall_s / progress. */
function secondsLeft({ lastRow, wallSeconds }: RunRecord, progress: number): number | null {
  if (!lastRow || progress <= 0 || !Number.isFinite(lastRow.wall_s)) return null;
  return Math.max(0, lastRow.wall_s / progress - Math.max(wallSeconds, lastRow.wall_s));
}

function computedBy({ backend, gpu, threads }: RunRecord): string {
  return `${backend}, ${gpu ?? `${threads} thread${threads === 1 ? '' : 's'}`}`;
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
