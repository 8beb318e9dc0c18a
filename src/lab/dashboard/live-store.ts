/**
 * A run store as it changes. Folders are watched, so that a new row is known at once, and looked over every few seconds,
 * for file systems that tell nothing and for processes that end without a word. Of metrics.csv only what was appended is
 * read; nothing of it is kept, so memory grows with the number of runs alone.
 */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { messageOf } from '../../errors.js';
import { diagnosticsFile, parseDiagnostics } from '../results/diagnostics.js';
import { inspectRun, type RunInfo } from '../results/inspect.js';
import { metricsColumns, metricsFile } from '../results/metrics.js';
import { recordFile } from '../results/record.js';
import type { DiagnosticsMessage, RowsMessage, RunSummary } from './api.js';
import { parseColumns } from './columns.js';
import { LineTail } from './line-tail.js';
import { summarise } from './summary.js';

export interface LiveStoreListener {
  /** Runs that are new or not as they were, and the names of those that are gone. */
  onRuns(changed: readonly RunSummary[], removed: readonly string[]): void;
  onRows(message: RowsMessage): void;
  onDiagnostics(message: DiagnosticsMessage): void;
  /** What keeps it from watching, once. */
  onProblem(message: string): void;
}

export interface LiveStoreOptions {
  readonly root: string;
  readonly listener: LiveStoreListener;
  /** Milliseconds between two looks over everything. */
  readonly lookEvery?: number;
}

/** A run that is followed. */
interface Feed {
  info: RunInfo;
  summary: RunSummary;
  /** `summary` as text, to tell whether it changed. */
  told: string;
  readonly metrics: LineTail;
  readonly diagnostics: LineTail;
  /** Sizes and times of its files at the last look. */
  stamp: string;
}

/** Events come in bursts: one look for all that come within so many milliseconds. */
const settleMs = 40;
const followed = [recordFile, metricsFile, diagnosticsFile];
/** root/experiment/variant/seed */
const runDepth = 3;

export class LiveStore {
  readonly #root: string;
  readonly #listener: LiveStoreListener;
  /** By folder. */
  readonly #feeds = new Map<string, Feed>();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #timer: NodeJS.Timeout;
  /** Folders to look at once things have settled. */
  readonly #dirty = new Set<string>();
  #settling: NodeJS.Timeout | undefined;
  /** Looks follow each other: two at once would tell a row twice. */
  #queue: Promise<void> = Promise.resolve();
  #closed = false;
  /** Nothing is told of what was there at the beginning. */
  #opened = false;
  #problemTold = false;

  private constructor({ root, listener, lookEvery = 3000 }: LiveStoreOptions) {
    this.#root = root;
    this.#listener = listener;
    this.#timer = setInterval(() => this.#enqueue(() => this.#lookOver()), lookEvery);
    this.#timer.unref();
  }

  /** Opens a folder of runs, which need not be there yet. */
  static async open(options: LiveStoreOptions): Promise<LiveStore> {
    const store = new LiveStore(options);
    store.#enqueue(() => store.#lookOver());
    await store.#queue;
    store.#opened = true;
    return store;
  }

  /** By experiment, variant and seed. */
  get runs(): RunInfo[] {
    return this.#sorted().map(({ info }) => info);
  }

  get summaries(): RunSummary[] {
    return this.#sorted().map(({ summary }) => summary);
  }

  /** All rows of a run, of the columns asked for; null for a run that is not there. */
  async rows(run: string, wanted: readonly string[]): Promise<RowsMessage | null> {
    const text = await this.#read(run, metricsFile);
    if (text === null) return null;
    const end = text.lastIndexOf(0x0a) + 1;
    const whole = text.toString('utf8', 0, end);
    const columns = parseColumns(whole.slice(0, whole.indexOf('\n')), whole, wanted);
    return { run, from: 0, to: end, columns };
  }

  /** All diagnostics of a run; null for a run that is not there. */
  async diagnostics(run: string): Promise<DiagnosticsMessage | null> {
    const text = await this.#read(run, diagnosticsFile);
    if (text === null) return null;
    const end = text.lastIndexOf(0x0a) + 1;
    return { run, from: 0, to: end, records: parseDiagnostics(text.toString('utf8', 0, end)) };
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #sorted(): Feed[] {
    const order = ({ info: a }: Feed, { info: b }: Feed): number =>
      a.experiment.localeCompare(b.experiment) || a.variant.localeCompare(b.variant) || a.seed - b.seed;
    return [...this.#feeds.values()].sort(order);
  }

  /** A file of a known run; empty where it is not there yet. */
  async #read(run: string, file: string): Promise<Buffer | null> {
    const feed = this.#feeds.get(join(this.#root, run));
    if (!feed) return null;
    try {
      return await readFile(join(feed.info.dir, file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    }
  }

  #enqueue(look: () => Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return;
      try {
        await look();
      } catch (error) {
        this.#tell(`cannot look at ${this.#root}: ${messageOf(error)}`);
      }
    });
  }

  #tell(problem: string): void {
    if (!this.#problemTold) this.#listener.onProblem(problem);
    this.#problemTold = true;
  }

  // Folders

  /** Watched before it is listed: whatever comes after the list is told. */
  async #list(dir: string): Promise<string[]> {
    this.#watch(dir);
    try {
      const entries = await readdir(dir, { withFileTypes: true });
      return entries
        .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
        .map(({ name }) => name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return [];
      throw error;
    }
  }

  #watch(dir: string): void {
    if (this.#watchers.has(dir) || this.#closed) return;
    const depth = this.#depthOf(dir);
    try {
      const watcher = watch(dir, (_event, file) => {
        if (depth < runDepth || file === null || followed.includes(file)) this.#changed(dir);
      });
      const forget = (): void => {
        watcher.close();
        if (this.#watchers.get(dir) === watcher) this.#watchers.delete(dir);
      };
      watcher.on('error', forget);
      this.#watchers.set(dir, watcher);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return;
      this.#tell(`cannot watch ${dir} (${code ?? messageOf(error)}): new rows show after some seconds`);
    }
  }

  #depthOf(dir: string): number {
    const path = relative(this.#root, dir);
    return path === '' ? 0 : path.split(sep).length;
  }

  #changed(dir: string): void {
    this.#dirty.add(dir);
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      const dirs = [...this.#dirty];
      this.#dirty.clear();
      this.#enqueue(() => this.#look(dirs));
    }, settleMs);
  }

  async #look(dirs: readonly string[]): Promise<void> {
    if (dirs.some((dir) => this.#depthOf(dir) < runDepth)) return this.#lookOver();
    for (const dir of dirs) await this.#lookAt(dir);
  }

  /** Finds what is new and what is gone, and looks at all that is there. */
  async #lookOver(): Promise<void> {
    const found = new Set<string>();
    for (const experiment of await this.#list(this.#root)) {
      for (const variant of await this.#list(join(this.#root, experiment))) {
        for (const seed of await this.#list(join(this.#root, experiment, variant))) {
          if (/^seed\d+$/.test(seed)) found.add(join(this.#root, experiment, variant, seed));
        }
      }
    }
    const changed: RunSummary[] = [];
    for (const dir of found) {
      this.#watch(dir);
      const summary = await this.#lookAt(dir, true);
      if (summary) changed.push(summary);
    }
    const gone = [...this.#feeds].filter(([dir]) => !found.has(dir));
    gone.forEach(([dir]) => this.#feeds.delete(dir));
    for (const [dir, watcher] of this.#watchers) {
      if (this.#depthOf(dir) < runDepth || found.has(dir)) continue;
      watcher.close();
      this.#watchers.delete(dir);
    }
    if (this.#opened && changed.length + gone.length > 0) {
      this.#listener.onRuns(
        changed,
        gone.map(([, { summary }]) => summary.name),
      );
    }
  }

  // Runs

  /**
   * Looks at a run folder and tells what is new in it.
   *
   * @param together  the caller tells the summary, which is returned if it changed
   */
  async #lookAt(dir: string, together = false): Promise<RunSummary | null> {
    const known = this.#feeds.get(dir);
    const stamp = await stampOf(dir);
    // A process may end without touching a file: those that run are asked every time.
    if (known?.stamp === stamp && known.info.state !== 'running') return null;
    const info = inspectRun(dir);
    const summary = summarise(info);
    const told = JSON.stringify(summary);
    const feed = known ?? (await this.#follow(dir, info, summary));
    if (known && known.stamp !== stamp) {
      const before = known.info.record?.startedAt;
      if (before !== undefined && info.record && before !== info.record.startedAt) known.metrics.restart();
      await this.#tellLines(known, summary.name);
    }
    const isNew = feed.told !== told;
    Object.assign(feed, { info, summary, told, stamp });
    if (!isNew) return null;
    if (!together) this.#listener.onRuns([summary], []);
    return summary;
  }

  async #follow(dir: string, info: RunInfo, summary: RunSummary): Promise<Feed> {
    const metrics = new LineTail(join(dir, metricsFile));
    const diagnostics = new LineTail(join(dir, diagnosticsFile));
    await metrics.skip();
    await diagnostics.skip();
    const feed: Feed = { info, summary, told: '', metrics, diagnostics, stamp: '' };
    this.#feeds.set(dir, feed);
    return feed;
  }

  async #tellLines({ metrics, diagnostics }: Feed, run: string): Promise<void> {
    for (let lines = await metrics.read(); lines; lines = await metrics.read()) {
      const { text, restarted, ...span } = lines;
      const columns = parseColumns((await metrics.firstLine()) ?? '', text, metricsColumns);
      this.#listener.onRows({ run, ...span, ...(restarted && { restarted }), columns });
    }
    for (let lines = await diagnostics.read(); lines; lines = await diagnostics.read()) {
      const { text, restarted, ...span } = lines;
      this.#listener.onDiagnostics({
        ...{ run, ...span },
        ...(restarted && { restarted }),
        records: parseDiagnostics(text),
      });
    }
  }
}

/** Changes whenever one of the files of a run does. */
async function stampOf(dir: string): Promise<string> {
  const stamps = await Promise.all(
    followed.map(async (file) => {
      try {
        const { size, mtimeMs } = await stat(join(dir, file));
        return `${size}:${mtimeMs}`;
      } catch {
        return '-';
      }
    }),
  );
  return stamps.join(' ');
}
