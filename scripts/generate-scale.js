/**
 * Writes the generated parts of docs/scale.md: what the full paper costs, from published step times and the recorded
 * runs, and what was measured of runs side by side and of stores of many runs. Run after `npm run build`:
 *
 *   node scripts/generate-scale.js [results of npm run bench:scale]
 *
 * Given results are kept, as bench/results/published-scale.json.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { expandExperiment, variantsOf } from '../dist/lab/config/expand.js';
import { loadAllExperiments } from '../dist/lab/config/load.js';
import { datasetKind } from '../dist/lab/datasets/index.js';
import { readVariant } from '../dist/lab/results/merge.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const document = `${root}docs/scale.md`;
const published = `${root}bench/results/published-scale.json`;
const page = readFileSync(`${root}docs/curvature.md`, 'utf8');
const steps = JSON.parse(readFileSync(`${root}bench/results/published-steps.json`, 'utf8'));

const experiments = loadAllExperiments(`${root}experiments`);

const [given] = process.argv.slice(2);
if (given) copyFileSync(given, published);

/** The step of a variant in the middle of training [s]. */
function stepSeconds(name) {
  const found = steps.rows.find(({ variant, state }) => variant === name && state === 'trained');
  if (!found) throw new Error(`bench/results/published-steps.json has no step in the middle of training of ${name}`);
  return found.ours.seconds.median;
}

/** One evaluation [s]: the MLP, and c4d3 for the convolutional networks. */
function evaluationSeconds(experiment) {
  const [, mlp, conv] = /took [\d.]+ to ([\d.]+) s for the MLP [^]*? to ([\d.]+) s for c4d3/.exec(page) ?? [];
  if (conv === undefined) throw new Error('docs/curvature.md does not say what an evaluation takes');
  return Number(['exp01', 'exp02'].includes(experiment) ? mlp : conv);
}

function experimentNamed(name) {
  return experiments.find((experiment) => experiment.name === name);
}

function specsOf(name) {
  return expandExperiment(experimentNamed(name), { seeds: [0] });
}

function sizesOf({ dataset }) {
  const { size, shape, classes } = datasetKind(dataset);
  return { ...size, shape, classes };
}

/** Of a whole run on two cores. */
function runSeconds(spec) {
  const seconds = stepSeconds(`${spec.experiment}/${spec.variant}`);
  const count = Math.floor(sizesOf(spec).train / spec.batchSize) * spec.epochs;
  return count * seconds + (spec.epochs * spec.evaluationsPerEpoch + 1) * evaluationSeconds(spec.experiment);
}

/** On one GPU: of the recorded run, that took a part of the epochs beside seven others; null where none was recorded. */
function gpuSeconds(spec) {
  const experiment = experimentNamed(spec.experiment);
  const variant = variantsOf(experiment).find(({ name }) => name === spec.variant);
  const { runs, records } = readVariant(`${root}data/original`, spec.experiment, variant.name);
  const onGpu = runs.find((_, i) => records[i].gpu !== null);
  const last = onGpu?.rows.at(-1);
  return last ? (last.wall_s / last.epoch) * spec.epochs : null;
}
const besideOnGpu = 8;

/** Time until the last of the runs has ended, the longest first, each on the slot that is free first [s]. */
function makespan(seconds, slots) {
  const free = Array.from({ length: Math.min(slots, seconds.length) }, () => 0);
  for (const each of [...seconds].sort((a, b) => b - a)) {
    const first = free.indexOf(Math.min(...free));
    free[first] += each;
  }
  return Math.max(...free);
}

function duration(seconds) {
  const hours = seconds / 3600;
  if (hours < 1) return `${(60 * hours).toFixed(0)} min`;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} days`;
}

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const seeds = 10;
const { threads } = steps;
const nodeSlots = 64 / threads;

function costs() {
  const whole = ['exp01', 'exp02', 'exp08', 'exp09'].map((name) => ({ name, runs: specsOf(name) }));
  const onBoth = whole.flatMap(({ runs }) => runs).filter(gpuSeconds);
  const sum = (of) => onBoth.map(of).reduce((all, each) => all + each, 0);
  const gpuShare = sum(gpuSeconds) / sum(runSeconds);
  const line = (name, runs) => {
    const each = runs.map(runSeconds);
    const all = each.flatMap((seconds) => Array.from({ length: seeds }, () => seconds));
    const onGpu = runs.map((run) => gpuSeconds(run) ?? gpuShare * runSeconds(run));
    const gpu = duration(
      makespan(
        onGpu.flatMap((seconds) => Array.from({ length: seeds }, () => seconds)),
        besideOnGpu,
      ),
    );
    return [
      name,
      all.length,
      `${duration(Math.min(...each))} to ${duration(Math.max(...each))}`,
      duration(all.reduce((sum, seconds) => sum + seconds, 0)),
      duration(makespan(all, nodeSlots)),
      runs.every(gpuSeconds) ? gpu : `(${gpu})`,
      duration(makespan(all, 100 * nodeSlots)),
    ];
  };
  const head = ['experiment', 'runs', 'one run', 'two cores', '64-core node', 'one GPU', 'array on 100 nodes'];
  const everything = whole.flatMap(({ runs }) => runs);
  const times = everything.map(({ experiment, variant }) => {
    const seconds = stepSeconds(`${experiment}/${variant}`);
    const time = seconds < 1 ? `${(1000 * seconds).toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
    return [`${experiment}/${variant}`, time];
  });
  return [
    table(head, [...whole.map(({ name, runs }) => line(name, runs)), line('**all**', everything)]),
    `Made of these step times, with ${threads} threads:`,
    table(['variant', 'step'], times),
  ].join('\n\n');
}

function measured() {
  if (!existsSync(published)) return 'Nothing is published yet.';
  const { date, commit, machine, versions, load, jobs, store } = JSON.parse(readFileSync(published, 'utf8'));
  const facts = [
    `date ${date.slice(0, 10)}, commit ${commit ?? 'unknown'}, hbp ${versions.hbp}, node ${versions.node}`,
    `machine: ${machine.cpu}, ${machine.cores} cores, memory ${Math.round(machine.memoryBytes / 2 ** 20)} MiB`,
    `load average ${load.map((value) => value.toFixed(1)).join(' before, ')} after` +
      (load[0] > machine.cores / 4 ? ': **the machine was busy**, times are longer than on a quiet one' : ''),
  ];
  return [
    facts.map((fact) => `- ${fact}`).join('\n'),
    '### Runs side by side',
    table(
      ['variant', 'jobs', 'threads each', 'steps/s, all together'],
      jobs.flatMap(({ variant, rows }) =>
        rows.map(({ jobs: count, threads: each, stepsPerSecond }) => [
          variant,
          count,
          each,
          stepsPerSecond.toPrecision(3),
        ]),
      ),
    ),
    `### ${store.runs.toLocaleString('en-US')} runs`,
    `${store.variants} variants, ${store.runs / store.variants} seeds, ${store.rowsPerRun} rows a run; ` +
      `${Math.round(store.bytes / 1e6)} MB of files. Medians of ${store.repetitions} times, the highest peak of them.`,
    table(
      ['command', 'time', 'processor time, all threads', 'peak memory'],
      store.commands.map(({ command, seconds, cpuSeconds, bytes }) => [
        `\`${command}\``,
        `${seconds.toFixed(1)} s`,
        `${cpuSeconds.toFixed(1)} s`,
        `${Math.round(bytes / 1e6)} MB`,
      ]),
    ),
  ].join('\n\n');
}

let text = readFileSync(document, 'utf8');
for (const [name, part] of Object.entries({ costs: costs(), measured: measured() })) {
  const begin = `<!-- generated by scripts/generate-scale.js, ${name}: begin -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf('<!-- end -->', from);
  if (from < 0 || to < 0) throw new Error(`docs/scale.md lacks "${begin}" or "<!-- end -->"`);
  text = `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`;
}
writeFileSync(document, await format(text, { ...(await resolveConfig(document)), parser: 'markdown' }));
