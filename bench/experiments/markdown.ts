/** The part of docs/performance.md about the experiments' steps. */
import { asMarkdown, scalingTable, speedsText, stepTables, stepTally } from './report.js';
import type { ExperimentResults, Provenance, ScalingResults, StepRow } from './results.js';

/** From docs/. */
export const ratioFigure = 'figures/steps.png';

/** @param hasFigure  there is something to draw */
export function generatedSteps(results: ExperimentResults, scaling: ScalingResults | null, hasFigure: boolean): string {
  const { states, failures, repetitions } = results;
  const facts = [
    ...factsOf(results),
    ...Object.entries(states).map(([experiment, how]) => `${experiment} in the middle of training: ${how}`),
    `${repetitions} repetitions of everybody in turn`,
    ...origins(results),
    ...failures.map(({ variant, state, reason }) => `not measured: ${variant}, ${state}: ${reason}`),
  ];
  return [
    list(facts),
    `**${stepTally(results)}.**`,
    ...(hasFigure ? [`![Our time over the reference's, with the targets](${ratioFigure})`] : []),
    ...stepTables(results).map(asMarkdown),
    ...(scaling ? [asMarkdown(scalingTable(scaling)), list(factsOf(scaling))] : []),
  ].join('\n\n');
}

/** What was measured at another time. */
function origins({ rows }: ExperimentResults): string[] {
  const groups = new Map<string, StepRow[]>();
  for (const row of rows) {
    if (row.from) groups.set(row.from.date, [...(groups.get(row.from.date) ?? []), row]);
  }
  return [...groups.values()].map((members) => {
    const { date, commit, repetitions, peak, load } = members[0]!.from!;
    const names = [...new Set(members.map(({ variant }) => variant))].join(', ');
    return (
      `measured at another time, on ${date.slice(0, 10)} at commit ${commit ?? 'unknown'}` +
      ` (${repetitions} repetitions, ${peak === null ? '' : `peak ${(peak / 1e9).toFixed(0)} GFLOP/s, `}` +
      `load average ${load.map((x) => x.toFixed(2)).join(' before, ')} after): ${names}`
    );
  });
}

function factsOf({ date, commit, machine, about, threads, pictures, speeds, load }: Provenance): string[] {
  return [
    `date ${date.slice(0, 10)}, commit ${commit ?? 'unknown'}`,
    `machine: ${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 20)} MiB, ${machine.os}; ${threads} threads`,
    ...Object.entries(about).map(([side, text]) => `${side}: ${text}`),
    ...(speeds ? [`peak and bandwidth before the first step: ${speedsText(speeds)}`] : []),
    `pictures: ${pictures}`,
    `load average ${load.map((x) => x.toFixed(2)).join(' before, ')} after`,
  ];
}

function list(facts: readonly string[]): string {
  return facts.map((fact) => `- ${fact}`).join('\n');
}
