/** The rows of the runs that are looked at, kept up to date by what the server tells. */
import type { Columns, RowsMessage } from '../lab/dashboard/api.js';

interface Known {
  /** The byte of the file that comes next. */
  end: number;
  columns: Record<string, (number | null)[]>;
}

/** What of the rows is looked at. */
export interface Selection {
  readonly experiment: string;
  readonly columns: readonly string[];
}

export class RunRows {
  readonly #onChange: () => void;
  #selection: Selection | null = null;
  #known = new Map<string, Known>();
  /** What came while the first answer was on its way; null: nothing is. */
  #held: RowsMessage[] | null = null;
  /** Runs that are being asked for. */
  readonly #asked = new Set<string>();

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get(run: string): Columns | undefined {
    return this.#known.get(run)?.columns;
  }

  forget(runs: readonly string[]): void {
    runs.forEach((run) => this.#known.delete(run));
  }

  /** Gets the rows of an experiment. Rows that come meanwhile are not lost. */
  async select(selection: Selection): Promise<void> {
    this.#selection = selection;
    this.#held = [];
    const query = new URLSearchParams([
      ['experiment', selection.experiment],
      ...selection.columns.map((column) => ['column', column]),
    ]);
    const messages = await ask(query);
    if (selection !== this.#selection) return; // another one has been chosen
    this.#known = new Map(messages.map((message) => [message.run, knownOf(message)]));
    const held = this.#held ?? [];
    this.#held = null;
    held.forEach((message) => this.add(message));
    this.#onChange();
  }

  /** Rows that were appended. Where some are missing in between, the run is asked for as a whole. */
  add(message: RowsMessage): void {
    const selection = this.#selection;
    if (!selection || !message.run.startsWith(`${selection.experiment}/`)) return;
    if (this.#held) return void this.#held.push(message);
    const known = this.#known.get(message.run);
    if (!message.restarted && known && message.to <= known.end) return;
    const isFirst = message.from === 0 && (!known || message.restarted);
    if (isFirst) this.#known.set(message.run, knownOf({ ...message, columns: pick(message.columns, selection) }));
    else if (known && message.from === known.end && !message.restarted) {
      for (const column of selection.columns) known.columns[column]?.push(...(message.columns[column] ?? []));
      known.end = message.to;
    } else return void this.#refetch(message.run, selection);
    this.#onChange();
  }

  async #refetch(run: string, selection: Selection): Promise<void> {
    if (this.#asked.has(run)) return;
    this.#asked.add(run);
    try {
      const query = new URLSearchParams([['run', run], ...selection.columns.map((column) => ['column', column])]);
      for (const message of await ask(query)) {
        if (selection === this.#selection) this.#known.set(run, knownOf(message));
      }
    } finally {
      this.#asked.delete(run);
    }
    this.#onChange();
  }
}

async function ask(query: URLSearchParams): Promise<RowsMessage[]> {
  const response = await fetch(`/api/rows?${query.toString()}`);
  if (!response.ok) throw new Error(await response.text());
  const lines = (await response.text()).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RowsMessage);
}

function knownOf({ to, columns }: RowsMessage): Known {
  return { end: to, columns: Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, [...values]])) };
}

function pick(columns: Columns, selection: Selection): Columns {
  return Object.fromEntries(selection.columns.map((name) => [name, columns[name] ?? []]));
}
