/** `serve-steps`: our steps behind the same lines of text as bench/peers/reference.py, so that both are asked alike. */
import { createInterface } from 'node:readline';
import { messageOf } from '../../dist/errors.js';
import { activate } from '../backend.js';
import { residentBytes } from '../resident.js';
import { say } from '../say.js';
import { writeFloats } from './floats.js';
import { StepTask, type TaskSpec } from './step-task.js';

type Answer = string | number | void;

/**
 * Answers until its input ends: info, task and step as the reference does, and of its own
 *
 *     layers             "ok <json>": the sizes of the task's layers
 *     parameters <file>  the task's parameters as they are, into the file
 *     allocation         "ok <json>": the bytes of a step's tensors
 */
export async function serveSteps(backendName: string, threads: number): Promise<void> {
  const backend = await activate(backendName, threads);
  let current: StepTask | null = null;
  const task = (): StepTask => {
    if (current) return current;
    throw new Error('no task yet');
  };
  const answers: Record<string, (rest: string) => Answer | Promise<Answer>> = {
    info: () => `${backend.name} (${backend.description}), ${backend.threads} threads`,
    task: (rest) => {
      current?.dispose();
      current = null;
      current = new StepTask(JSON.parse(rest) as TaskSpec);
      return current.size;
    },
    step: async (rest) => {
      const [, count = '', file] = /^(\d+)(?: (.+))?$/.exec(rest) ?? [];
      const times = await task().run(Number(count), async (after) => {
        if (file !== undefined) writeFloats(file, ...(await after.parameters()));
      });
      return JSON.stringify({ ...times, peakBytes: residentBytes('VmHWM') });
    },
    layers: () => JSON.stringify(task().layers),
    parameters: async (file) => writeFloats(file, ...(await task().parameters())),
    allocation: async () => JSON.stringify(await task().allocation()),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [, name = '', rest = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    try {
      const answer = answers[name];
      if (!answer) throw new Error(`unknown request ${name}`);
      say(`ok ${(await answer(rest)) ?? ''}`);
    } catch (error) {
      say(`error ${messageOf(error).replaceAll('\n', ' ')}`);
    }
  }
}
