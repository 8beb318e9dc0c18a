/**
 * What the run store keeps of a job array, in `<root>/.slurm/<name>/`: tasks.json says what each task trains and how,
 * job.sh is the batch script, job.json the job's number once it is submitted, logs/<index>.log what each task printed.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { writeWhole } from '../whole-file.js';
import { z } from 'zod';
import { backendNames } from '../../engine/backend/names.js';
import { DataError, messageOf, RunError } from '../../errors.js';
import { runName, type RunSpec } from '../config/spec.js';
import { runSpecSchema } from '../results/record.js';

const settingsSchema = z.object({
  backend: z.enum(backendNames),
  /** Of each run. */
  threads: z.number().int().positive(),
  dataDirs: z.array(z.string()),
  keepCheckpoint: z.boolean(),
  checkpointEveryMs: z.number().nonnegative(),
});
/** What all tasks of a submission have in common. */
export type TaskSettings = z.infer<typeof settingsSchema>;

const listSchema = z.object({ version: z.literal(1), settings: settingsSchema, tasks: z.array(runSpecSchema) });
/** As much of it as names the runs: there may be thousands, and each is checked when it is trained. */
const namesSchema = z.object({
  tasks: z.array(z.object({ experiment: z.string(), variant: z.string(), seed: z.number() })),
});
const jobSchema = z.object({ job: z.string().regex(/^\d+$/), submittedAt: z.iso.datetime() });

export interface Submission {
  readonly name: string;
  readonly dir: string;
  /** Number of the job array; null where submitting it did not come to its end. */
  readonly job: string | null;
  /** What the tasks train, by index. */
  readonly runs: readonly string[];
}

/** Beside the experiments of a run store. */
const home = '.slurm';
const files = { list: 'tasks.json', job: 'job.json', script: 'job.sh' } as const;

/**
 * Makes the folder of a submission.
 *
 * @param label   begins its name
 * @param script  the batch script of a submission of this name with its task list there
 * @throws RunError  it cannot be written
 */
export function createSubmission(
  root: string,
  label: string,
  content: { readonly settings: TaskSettings; readonly tasks: readonly RunSpec[] },
  script: (name: string, listFile: string) => string,
): Submission {
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  try {
    mkdirSync(join(root, home), { recursive: true });
    const dir = makeFolder(join(root, home, `${label}-${time}`));
    mkdirSync(join(dir, 'logs'));
    const list = join(dir, files.list);
    writeWhole(list, `${JSON.stringify({ version: 1, ...content })}\n`);
    writeWhole(join(dir, files.script), script(basename(dir), list));
    return { name: basename(dir), dir, job: null, runs: content.tasks.map(runName) };
  } catch (error) {
    throw new RunError(`cannot write the submission to ${join(root, home)}: ${messageOf(error)}`, { cause: error });
  }
}

/** Two within a second get two folders. */
function makeFolder(path: string): string {
  for (let i = 0; ; i++) {
    const dir = i === 0 ? path : `${path}-${i}`;
    try {
      mkdirSync(dir);
      return dir;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Remembers the number that the scheduler gave. */
export function recordJob({ dir }: Submission, job: string): void {
  const content = { job, submittedAt: new Date().toISOString() };
  writeWhole(join(dir, files.job), `${JSON.stringify(content)}\n`);
}

/** Of one that the scheduler did not take. */
export function removeSubmission({ dir }: Submission): void {
  rmSync(dir, { recursive: true, force: true });
}

export function scriptOf({ dir }: Submission): string {
  return join(dir, files.script);
}

export function logOf({ dir }: Submission, index: number): string {
  return join(dir, 'logs', `${index}.log`);
}

/** All of a run store, the oldest first; one that cannot be read is left out. */
export function listSubmissions(root: string): Submission[] {
  let names: string[];
  try {
    names = readdirSync(join(root, home));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  return names
    .flatMap((name): (Submission & { readonly at: string })[] => {
      const dir = join(root, home, name);
      const list = parse(namesSchema, join(dir, files.list));
      if (!list) return [];
      const job = parse(jobSchema, join(dir, files.job));
      return [{ name, dir, job: job?.job ?? null, runs: list.tasks.map(runName), at: job?.submittedAt ?? '' }];
    })
    .sort((a, b) => (a.at < b.at ? -1 : 1));
}

function parse<T>(schema: z.ZodType<T>, file: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

export interface Task {
  /** The run store that the submission is part of. */
  readonly root: string;
  readonly spec: RunSpec;
  readonly settings: TaskSettings;
}

/**
 * What one task trains.
 *
 * @throws DataError  no such list or task
 */
export function readTask(listFile: string, index: number): Task {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(listFile, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing
      ? `not on ${hostname()}: the folder of the runs must be on a file system that all nodes share`
      : `unreadable: ${messageOf(error)}`;
    throw new DataError(`${listFile}: ${why}`, { cause: error });
  }
  const parsed = listSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DataError(`${listFile}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { settings, tasks } = parsed.data;
  const spec = tasks[index];
  if (!spec) throw new DataError(`${listFile}: there is no task ${index}, only 0 to ${tasks.length - 1}`);
  return { root: dirname(dirname(dirname(listFile))), spec, settings };
}
