/** `profile`: the phases of an SGD step and the kernels that took its time. */
import { javaScriptCalls } from '../dist/engine/backend/native/index.js';
import type { BenchBackend } from './backend.js';
import { finished } from './backend.js';
import { KernelProfile } from './kernel-profile.js';
import { say } from './say.js';
import { type NetworkName, type Phases, SgdTask } from './sgd-step.js';
import { quartiles } from './statistics.js';
import { textTable } from './text-table.js';

export interface ProfileOptions {
  readonly network: NetworkName;
  readonly batch: number;
  readonly steps: number;
}

const warmUps = 2;
const milliseconds = (seconds: number): string => (1000 * seconds).toFixed(2);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Prints two tables; times are a step's. */
export async function profile(backend: BenchBackend, { network, batch, steps }: ProfileOptions): Promise<void> {
  const task = new SgdTask(network, batch);
  const kernels = new KernelProfile();
  for (let i = 0; i < warmUps; i++) await task.step();
  await finished();
  kernels.reset();
  javaScriptCalls.clear();

  const totals: number[] = [];
  const phases: Phases[] = [];
  let loss = NaN;
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    const result = await task.step();
    totals.push((performance.now() - start) / 1000);
    phases.push(result.phases);
    loss = result.loss;
  }
  const total = quartiles(totals).median;
  const mean = totals.reduce((sum, x) => sum + x, 0) / steps;

  say(`${network}, batch ${batch}, SGD with momentum, on ${backend.name} (${backend.description})`);
  say(`${backend.threads} threads, ${steps} steps, median ${milliseconds(total)} ms a step, loss ${loss.toFixed(4)}`);
  if (backend.gpu) say('The GPU works on after a call returns: phases and kernels show what asking for the work took.');
  const phaseRows = (['forward', 'backward', 'update'] as const).map((name) => {
    const median = quartiles(phases.map((times) => times[name])).median;
    return [name, milliseconds(median), percent(median / total)];
  });
  say(`\n${textTable(['phase', 'ms a step', 'share'], phaseRows)}`);

  const costs = kernels.costs();
  const kernelRows = costs.map(({ kernel, calls, seconds }) => [
    kernel,
    String(calls / steps),
    milliseconds(seconds / steps),
    percent(seconds / steps / mean),
  ]);
  const outside = mean - costs.reduce((sum, { seconds }) => sum + seconds, 0) / steps;
  kernelRows.push(['(outside kernels)', '', milliseconds(outside), percent(outside / mean)]);
  say(`\n${textTable(['kernel', 'calls a step', 'ms a step', 'share'], kernelRows)}`);
  if (backend.name === 'native') {
    const calls = [...javaScriptCalls].map(([kernel, count]) => `${kernel} (${count / steps} a step)`);
    say(`\nin JavaScript: ${calls.join(', ') || 'none'}`);
  }
  task.dispose();
}
