/** What works on this machine, and why the rest does not. */
import { availableParallelism } from 'node:os';
import { type BackendName, backendOrder } from '../../engine/backend/index.js';
import type { DatasetName } from '../config/schema.js';
import { datasetNames, findDataset, type Location } from '../datasets/index.js';
import { type DiskSpace, findSpace } from './disk.js';
import { findMachine, type Machine } from './machine.js';
import { type Probed, probeApart } from './probe.js';
import { type BackendReport, canTrain, judge } from './verdict.js';

export interface Report {
  readonly machine: Machine;
  readonly backends: readonly BackendReport[];
  /** What `--backend auto` takes; null if nothing works. */
  readonly auto: BackendName | null;
  /** What HBP_BACKEND asks for in place of `auto`; null if it is not set. */
  readonly asked: string | null;
  /** A backend other than the reference works. */
  readonly canTrain: boolean;
  readonly datasets: readonly { readonly name: DatasetName; readonly location: Location }[];
  readonly disk: readonly DiskSpace[];
}

export interface ExamineOptions {
  /** Where datasets are looked for. */
  readonly dataDirs: readonly string[];
  /** Folders that are written to. */
  readonly folders: readonly string[];
  /** Measure each backend that works, for about two seconds. */
  readonly bench: boolean;
  readonly onBackend?: (name: BackendName) => void;
}

const benchMilliseconds = 2000;
const patience = 60_000;

export async function examine({ dataDirs, folders, bench, onBackend }: ExamineOptions): Promise<Report> {
  const machine = findMachine();
  const probe = (name: BackendName): Promise<Probed> => {
    onBackend?.(name);
    const milliseconds = bench ? benchMilliseconds : 0;
    return probeApart(name, { milliseconds, threads: availableParallelism(), patience });
  };
  const probed: Probed[] = [];
  // One after the other if they are measured: side by side they would slow each other down.
  if (bench) for (const name of backendOrder) probed.push(await probe(name));
  else probed.push(...(await Promise.all(backendOrder.map(probe))));
  const backends = judge(probed, machine.peak);
  return {
    machine,
    backends,
    auto: backends.find(({ chosen }) => chosen)?.name ?? null,
    asked: process.env['HBP_BACKEND'] || null,
    canTrain: canTrain(backends),
    datasets: await Promise.all(
      datasetNames.map(async (name) => ({ name, location: await findDataset(name, dataDirs) })),
    ),
    disk: folders.map(findSpace),
  };
}
