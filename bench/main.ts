/** The benchmarks' command line; `node dist-bench/main.js --help` explains it. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../dist/errors.js';
import { activate } from './backend.js';
import { writeDocument } from './document.js';
import { profile } from './profile.js';
import { sections } from './report.js';
import { printResident } from './resident.js';
import type { Section } from './results.js';
import { run } from './run.js';
import { say } from './say.js';
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
  profile               phases and kernels of an SGD step
    --steps <n>         so many are timed (20)
  docs <file>           docs/performance.md and its figure from such a JSON file
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
    steps: { type: 'string', default: '20' },
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
  profile: async () => {
    const options = stepOptions();
    await profile(await activate(values.backend, threads()), options);
  },
  docs: () => writeDocument(positionals[1] ?? 'bench/results/native.json'),
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
  return { network: networkName(values.model), batch: count(values.batch), steps: count(values.steps) };
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
