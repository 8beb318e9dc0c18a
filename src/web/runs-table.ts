/** All runs with state, progress and pace. Rows are kept and changed in place: focus and reading place stay. */
import type { RunSummary } from '../lab/dashboard/api.js';
import { byId, el, setText } from './dom.js';
import { duration, number, percent, plural, shortTime } from './format.js';

const head = [
  ...['Run', 'State', 'Progress', 'Left', 'A step', 'Time', 'Train loss', 'Test loss', 'Test acc.', 'Computed by'],
];
const order: readonly RunSummary['state'][] = ['running', 'failed', 'interrupted', 'unreadable', 'done'];

interface Row {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLTableCellElement[];
  readonly bar: HTMLProgressElement;
  readonly percent: HTMLSpanElement;
}

export class RunsTable {
  readonly #rows = new Map<string, Row>();
  readonly #body = el('tbody');
  readonly #onChoose: (run: string) => void;
  #runs: readonly RunSummary[] = [];

  constructor(onChoose: (run: string) => void) {
    this.#onChoose = onChoose;
    byId('runs-table').append(
      el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))),
      this.#body,
    );
    byId('state-filter').append(
      el('option', { value: '' }, 'all'),
      ...order.map((state) => el('option', { value: state }, state)),
    );
    byId('state-filter').addEventListener('change', () => this.show(this.#runs));
    byId('name-filter').addEventListener('input', () => this.show(this.#runs));
  }

  /** Those that run first, then those that went wrong, each by name. */
  show(runs: readonly RunSummary[]): void {
    this.#runs = runs;
    const state = byId<HTMLSelectElement>('state-filter').value;
    const words = byId<HTMLInputElement>('name-filter').value.trim().toLowerCase();
    const shown = runs
      .filter((run) => (state === '' || run.state === state) && run.name.toLowerCase().includes(words))
      .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
    for (const [name, { element }] of this.#rows) {
      if (shown.some((run) => run.name === name)) continue;
      element.remove();
      this.#rows.delete(name);
    }
    shown.forEach((run, i) => {
      const row = this.#rows.get(run.name) ?? this.#create(run);
      fill(row, run);
      // Only what is out of place is moved: moving loses the focus.
      if (this.#body.children[i] !== row.element) this.#body.insertBefore(row.element, this.#body.children[i] ?? null);
    });
    const all = shown.length === runs.length ? '' : ` of ${runs.length}`;
    setText(
      byId('runs-shown'),
      runs.length === 0 ? 'None yet: `hbp run` makes some.' : `${plural(shown.length, 'run')}${all}`,
    );
  }

  #create(run: RunSummary): Row {
    const bar = el('progress', { max: 1, 'aria-label': `Progress of ${run.name}` });
    const text = el('span');
    const choose = el('button', { type: 'button', class: 'link', title: 'Show its layers' }, run.name);
    choose.addEventListener('click', () => this.#onChoose(run.name));
    const cells = head.slice(1).map(() => el('td'));
    cells[1]?.append(bar, ' ', text);
    const row = { element: el('tr', {}, el('th', { scope: 'row' }, choose), ...cells), cells, bar, percent: text };
    this.#rows.set(run.name, row);
    return row;
  }
}

function fill({ cells, bar, percent: text, element }: Row, run: RunSummary): void {
  element.className = `is-${run.state}`;
  bar.value = run.progress;
  setText(text, `${Math.floor(100 * run.progress)} %${run.epochs === null ? '' : ` of ${run.epochs}`}`);
  const state = run.reason === null ? run.state : `${run.state}: ${run.reason}`;
  const values = [
    ...[state, null, run.state === 'running' ? duration(run.secondsLeft) : '', shortTime(run.stepSeconds)],
    ...[duration(run.wallSeconds), number(run.trainLoss), number(run.testLoss), percent(run.testAccuracy)],
    run.computedBy ?? '–',
  ];
  values.forEach((value, i) => {
    const cell = cells[i];
    if (cell && value !== null) setText(cell, value);
  });
  cells[0]?.setAttribute('title', state);
}
