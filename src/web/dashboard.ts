/** The dashboard's page: what the server tells, shown as it comes. */
import type {
  DashboardState,
  DiagnosticsMessage,
  ExperimentInfo,
  MachineInfo,
  RowsMessage,
  RunsMessage,
  RunSummary,
} from '../lab/dashboard/api.js';
import type { FigureData, Series } from '../lab/figures/spec.js';
import { Chart } from './chart.js';
import { meanCurve, seedCurve, xColumns } from './curves.js';
import { byId, setText } from './dom.js';
import { number, plural } from './format.js';
import { LayersPanel } from './layers-panel.js';
import { showMachine } from './machine-panel.js';
import { RunRows } from './run-rows.js';
import { RunsTable } from './runs-table.js';
import { axes, choice, hashOf, metrics, type View, viewOf } from './view.js';

/** Charts follow the rows at most so often [ms]. */
const drawEveryMs = 200;
/** Screen readers hear of new rows at most so often [ms]. */
const sayEveryMs = 20_000;

let experiments: readonly ExperimentInfo[] = [];
let runs = new Map<string, RunSummary>();
let machine: MachineInfo | null = null;
let view: View = viewOf(location.hash, []);

const hidden = new Set<string>();
const rows = new RunRows(() => drawSoon());
const chart = new Chart({ height: 380, fileName: () => `${view.experiment}-${view.metric}`, hidden });
const layers = new LayersPanel();
const table = new RunsTable((run) => {
  const layersSection = byId('layers');
  void layers.choose(run);
  layersSection.scrollIntoView({ behavior: 'smooth' });
});

let drawing: ReturnType<typeof setTimeout> | undefined;
function drawSoon(): void {
  drawing ??= setTimeout(() => {
    drawing = undefined;
    draw();
  }, drawEveryMs);
}

function draw(): void {
  const experiment = experiments.find(({ name }) => name === view.experiment);
  if (experiment) chart.show(figureOf(experiment));
}

function figureOf({ name, title, variants }: ExperimentInfo): FigureData {
  const ofExperiment = [...runs.values()].filter(({ experiment }) => experiment === name);
  const series = variants.flatMap(({ name: variant, label, style }): Series[] => {
    const columns = ofExperiment
      .filter((run) => run.variant === variant)
      .sort((a, b) => a.seed - b.seed)
      .map((run) => rows.get(run.name))
      .filter((each) => each !== undefined);
    if (columns.length === 0) return [];
    const { x, metric } = view;
    const curves =
      view.lines === 'mean' ? [meanCurve(columns, x, metric)] : columns.map((each) => seedCurve(each, x, metric));
    return [{ label, style, curves: curves.filter((curve) => curve.length > 0) }];
  });
  const seeds = new Set(ofExperiment.map(({ seed }) => seed)).size;
  return {
    title: title === name ? name : `${name}: ${title}`,
    subtitle: [view.lines === 'mean' ? `mean ± std over ${plural(seeds, 'seed')}` : `one line a seed`],
    xTitle: axes[view.x],
    yTitle: metrics[view.metric] ?? view.metric,
    yKind: view.metric.endsWith('accuracy') ? 'fraction' : 'plain',
    yScale: view.scale,
    lines: view.lines,
    series,
    caption: [],
  };
}

/** Shows another choice; asks for rows where it needs others. */
async function look(next: View): Promise<void> {
  const isOther = next.experiment !== view.experiment || next.metric !== view.metric;
  if (next.experiment !== view.experiment) hidden.clear();
  view = next;
  history.replaceState(null, '', hashOf(view));
  fillControls();
  if (isOther) await load();
  else draw();
}

async function load(): Promise<void> {
  const columns = ['step', ...Object.values(xColumns), view.metric];
  try {
    await rows.select({ experiment: view.experiment, columns: [...new Set(columns)] });
    showProblem(null);
  } catch (error) {
    showProblem(`The rows could not be read: ${String(error)}`);
  }
}

function fillControls(): void {
  const form = byId('view');
  const key = JSON.stringify([experiments.map(({ name, title }) => [name, title]), view]);
  if (form.dataset['key'] === key) return;
  const focused = form.querySelector<HTMLInputElement>(':focus')?.name;
  form.dataset['key'] = key;
  form.replaceChildren(
    choice(
      'experiment',
      'Experiment',
      experiments.map(({ name, title }) => [name, title === name ? name : `${name}: ${title}`]),
      view.experiment,
      'list',
    ),
    choice('metric', 'Metric', Object.entries(metrics), view.metric, 'list'),
    choice(
      'x',
      'Over',
      [
        ['epoch', 'epoch'],
        ['step', 'step'],
        ['wall', 'wall clock'],
      ],
      view.x,
      'buttons',
    ),
    choice(
      'scale',
      'Axis',
      [
        ['linear', 'linear'],
        ['log', 'log'],
      ],
      view.scale,
      'buttons',
    ),
    choice(
      'lines',
      'Lines',
      [
        ['mean', 'mean ± std'],
        ['seeds', 'each seed'],
      ],
      view.lines,
      'buttons',
    ),
  );
  if (focused) form.querySelector<HTMLElement>(`select[name="${focused}"], [name="${focused}"]:checked`)?.focus();
}

function showRuns(): void {
  const all = [...runs.values()];
  table.show(all);
  layers.setRuns(all);
  const states = ['running', 'done', 'failed', 'interrupted', 'unreadable'] as const;
  const counts = states.flatMap((state) => {
    const count = all.filter((run) => run.state === state).length;
    return count > 0 ? [`${count} ${state}`] : [];
  });
  setText(byId('counts'), counts.join(' · ') || 'no runs yet');
  document.title = counts[0] ? `${counts[0]} · hbp dashboard` : 'hbp dashboard';
  if (machine) showMachine(machine, all);
}

async function start(): Promise<void> {
  const response = await fetch('/api/state');
  if (!response.ok) throw new Error(await response.text());
  const state = (await response.json()) as DashboardState;
  ({ experiments, machine } = state);
  runs = new Map(state.runs.map((run) => [run.name, run]));
  setText(byId('root'), state.root);
  view = viewOf(
    location.hash,
    experiments.map(({ name }) => name),
  );
  fillControls();
  showRuns();
  await load();
}

function onRuns({ changed, removed, experiments: known }: RunsMessage): void {
  for (const run of changed) {
    const before = runs.get(run.name);
    if (before && before.state !== run.state) say(`${run.name} is ${run.state}`);
    else if (!before) say(`${run.name} has begun`);
    runs.set(run.name, run);
  }
  removed.forEach((name) => runs.delete(name));
  rows.forget(removed);
  if (known) {
    experiments = known;
    const isThere = known.some(({ name }) => name === view.experiment);
    if (isThere) fillControls();
    else
      void look(
        viewOf(
          location.hash,
          known.map(({ name }) => name),
        ),
      );
  }
  showRuns();
  drawSoon();
}

let saidAt = 0;
function onRows(message: RowsMessage): void {
  rows.add(message);
  const epoch = message.columns['epoch']?.at(-1);
  const loss = message.columns['test_loss']?.at(-1);
  if (epoch === undefined || performance.now() - saidAt < sayEveryMs) return;
  saidAt = performance.now();
  say(`${message.run}: epoch ${number(epoch)}, test loss ${number(loss)}`);
}

function say(text: string): void {
  setText(byId('announcements'), text);
}

function showProblem(text: string | null): void {
  byId('problem').hidden = text === null;
  setText(byId('problem'), text ?? '');
}

function showConnection(text: 'live' | 'connecting' | 'lost', words: string): void {
  byId('connection').className = `connection is-${text}`;
  setText(byId('connection'), words);
}

/** Events first, then the state: nothing that happens in between is missed. After every break all is asked for again. */
function listen(): void {
  const events = new EventSource('/api/events');
  const on = <T>(name: string, handle: (message: T) => void): void =>
    events.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as T));
  events.addEventListener('open', () => {
    showConnection('live', 'live');
    start().then(
      () => showProblem(null),
      (error: unknown) => showProblem(`The server does not answer as it should: ${String(error)}`),
    );
  });
  events.addEventListener('error', () => {
    showConnection('lost', 'not connected: is `hbp dashboard` still running?');
    // A browser gives up where the server refuses; this page does not.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
  on<RunsMessage>('runs', onRuns);
  on<RowsMessage>('rows', onRows);
  on<DiagnosticsMessage>('diagnostics', (message) => layers.add(message));
  on<MachineInfo>('machine', (message) => {
    machine = message;
    showMachine(message, [...runs.values()]);
  });
}

byId('curves-chart').append(chart.element);
byId('view').addEventListener('submit', (event) => event.preventDefault());
byId('view').addEventListener('change', (event) => {
  const { name, value } = event.target as HTMLSelectElement;
  void look({ ...view, [name]: value });
});
window.addEventListener('hashchange', () => {
  void look(
    viewOf(
      location.hash,
      experiments.map(({ name }) => name),
    ),
  );
});
listen();
