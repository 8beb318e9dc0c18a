import type { MachineInfo, RunSummary } from '../lab/dashboard/api.js';
import { byId, el } from './dom.js';
import { bytes, plural } from './format.js';

/** What the runs train on: this machine, its memory, and what the runs say of theirs. */
export function showMachine(machine: MachineInfo, runs: readonly RunSummary[]): void {
  const { host, cpu, cores, load, memory, processes } = machine;
  const running = runs.filter(({ state }) => state === 'running');
  const backends = [...new Set((running.length > 0 ? running : runs).flatMap(({ computedBy }) => computedBy ?? []))];
  const entries: [string, (Node | string)[]][] = [
    ['Host', [host]],
    ['Processor', [`${cpu}, ${plural(cores, 'core')}`]],
    ...(load === null ? [] : [gauge('Load', load, cores, `${load.toFixed(1)} of ${cores}`)]),
    gauge('Memory', memory.used, memory.total, `${bytes(memory.used)} of ${bytes(memory.total)}`),
    [running.length > 0 ? 'Training on' : 'Trained on', [backends.length === 0 ? '–' : backends.join('; ')]],
    [
      'Training processes',
      [
        processes.length === 0
          ? 'none on this machine'
          : processes.map(({ pid, bytes: size }) => `${pid}: ${bytes(size)}`).join(', '),
      ],
    ],
  ];
  byId('machine-body').replaceChildren(
    el('dl', {}, ...entries.map(([term, texts]) => el('div', {}, el('dt', {}, term), el('dd', {}, ...texts)))),
  );
}

function gauge(term: string, value: number, most: number, text: string): [string, (Node | string)[]] {
  const meter = el('meter', { min: 0, max: most, high: 0.9 * most, value: Math.min(value, most), 'aria-label': term });
  return [term, [meter, ` ${text}`]];
}
