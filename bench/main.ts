/** The benchmarks' command line; `node dist-bench/main.js --help` explains it. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../dist/errors.js';
import { activate } from './backend.js';
import { writeDocument, writeUsualDocuments } from './document.js';
import type { State } from './experiments/results.js';
import { loadPictures } from './experiments/pictures.js';
import { runExperiments } from './experiments/run.js';
import { runScaling } from './experiments/scaling.js';
import { serveSteps } from './experiments/serve.js';
import { makeStates } from './experiments/states.js';
import { profile } from './profile.js';
import { sections } from './report.js';
import { printResident } from './resident.js';
import type { Section } from './results.js';
import { run } from './run.js';
import { say } from './say.js';
import { measureScale } from './store/scale.js';
import { type NetworkName, networks } from './sgd-step.js';

const sectionNames = sections.map(({ section }) => section);
const help = `Usage: node dist-bench/main.js <command> [options]      (after npm run bench:build)

  run                   measure everything beside its peers: a table and a JSON file
    --sections <names>  some of ${sectionNames.join(',')} (all)
    --only <pattern>    those operations whose names match
    --repetitions <n>   of everybody (9)
    --no-peers          ours alone
    --quick             tiny sizes, 3 repetitions: to see that it works, not to measure
    --out <file>        the JSON (bench/results/<backend>.json)
  experiments           every variant's step, at the start and in the middle of training
    --reference <dir>   a checkout of the published PyTorch code takes the same steps in turn
    --device <name>     where the reference calculates, as torch names it (cpu)
    --only <pattern>    those variants whose names match
    --state <name>      start or trained (both)
    --data <dir>        where the pictures of CIFAR-10 are (data/datasets)
    --resume            go on with what --out has
    --keep <file>       take over from an earlier measurement here what this one leaves out
    --repetitions, --quick, --out (bench/results/experiments.json)
  states                the states in the middle of training, by training: bench/states
    --only <pattern>    those experiments whose names match
    --by <variant>      it trains, instead of the usual one
    --steps <n>, --loss <x>  so long, instead of the usual end: the first of both
    --data <dir>
  scaling               our step's time against batch, width, depth, CG iterations and threads
    --only <pattern>    those "variant axis" that match
    --data, --repetitions, --quick, --out (bench/results/scaling.json)
  scale                 runs side by side, and the commands over a store of many runs
    --runs <n>          so many, in variants of 100 seeds and 100 epochs (10000)
    --quick, --out (bench/results/scale.json)
  serve-steps           answers requests for steps; what experiments starts
  profile               phases and kernels of an SGD step
    --steps <n>         so many are timed (20)
  docs [<file> [<scaling file>]]
                        docs/performance.md and its figures from such JSON files (those of bench/results that are there)
  resident-step         the memory of --steps steps, "baseline peak" in bytes; what run starts afresh each time

  --backend <name>      what runs the maths (native)
  --threads <n>         of the native backend and of its peers (all cores)
  --model <name>        ${Object.keys(networks).join(' or ')} (c4d3)
  --batch <n>           pictures in a step (100)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sections: { type: 'string', default: sectionNames.join(',') },
    only: { type: 'string', default: '' },
    repetitions: { type: 'string' },
    'no-peers': { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    steps: { type: 'string' },
    reference: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    resume: { type: 'boolean', default: false },
    keep: { type: 'string' },
    state: { type: 'string' },
    data: { type: 'string' },
    by: { type: 'string' },
    loss: { type: 'string' },
    runs: { type: 'string', default: '10000' },
    backend: { type: 'string', default: 'native' },
    threads: { type: 'string' },
    model: { type: 'string', default: 'c4d3' },
    batch: { type: 'string', default: '100' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const commands: Record<string, () => Promise<unknown>> = {
  run: () =>
    run({
      backend: values.backend,
      threads: threads(),
      sections: values.sections.split(',').map(sectionName),
      only: new RegExp(values.only),
      peers: !values['no-peers'],
      quick: values.quick,
      repetitions: values.repetitions === undefined ? undefined : count(values.repetitions),
      out: values.out ?? `bench/results/${values.backend}.json`,
    }),
  experiments: () =>
    runExperiments({
      ...common('experiments'),
      states: values.state === undefined ? ['start', 'trained'] : [stateName(values.state)],
      reference: values.reference,
      device: values.device,
      resume: values.resume,
      keep: values.keep,
    }),
  scaling: () => runScaling(common('scaling')),
  states: async () => {
    const recipe = {
      ...(values.by !== undefined && { by: values.by }),
      ...(values.steps !== undefined && { steps: count(values.steps) }),
      ...(values.loss !== undefined && { loss: Number(values.loss) }),
    };
    const dataset = await loadPictures(values.data);
    const only = new RegExp(values.only);
    await makeStates(dataset, { backend: values.backend, threads: threads(), only, recipe });
  },
  scale: () =>
    measureScale({
      runs: count(values.runs),
      quick: values.quick,
      backend: values.backend,
      out: values.out ?? 'bench/results/scale.json',
    }),
  'serve-steps': () => serveSteps(values.backend, threads() ?? availableParallelism()),
  profile: async () => {
    const options = stepOptions();
    await profile(await activate(values.backend, threads()), options);
  },
  docs: () => (positionals[1] === undefined ? writeUsualDocuments() : writeDocument(positionals[1], positionals[2])),
  'resident-step': () => printResident(values.backend, threads() ?? availableParallelism(), stepOptions()),
};

const [name] = positionals;
if (values.help || name === undefined) {
  say(help);
} else {
  try {
    const command = commands[name];
    if (!command) throw new Error(`unknown command ${name}; --help lists them`);
    await command();
  } catch (error) {
    process.stderr.write(`bench: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

function stepOptions() {
  return { network: networkName(values.model), batch: count(values.batch), steps: count(values.steps ?? '20') };
}

/** Of the commands that measure steps of the experiments. */
function common(name: string) {
  return {
    backend: values.backend,
    threads: threads(),
    only: new RegExp(values.only),
    dataDir: values.data,
    repetitions: values.repetitions === undefined ? undefined : count(values.repetitions),
    quick: values.quick,
    out: values.out ?? `bench/results/${name}.json`,
  };
}

function stateName(text: string): State {
  if (text === 'start' || text === 'trained') return text;
  throw new Error(`unknown state ${text}: start or trained`);
}

function threads(): number | undefined {
  return values.threads === undefined ? undefined : count(values.threads);
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`${text} is not a positive integer`);
}

function networkName(text: string): NetworkName {
  if (text in networks) return text as NetworkName;
  throw new Error(`unknown model ${text}: ${Object.keys(networks).join(' or ')}`);
}

function sectionName(text: string): Section {
  const found = sectionNames.find((section) => section === text);
  if (found) return found;
  throw new Error(`unknown section ${text}: ${sectionNames.join(', ')}`);
}
