/** The benchmarks' command line; `npm run bench -- --help` explains it. */
import { parseArgs } from 'node:util';
import { activate } from './backend.js';
import { profile } from './profile.js';
import { say } from './say.js';
import { type NetworkName, networks } from './sgd-step.js';

const help = `Usage: node dist-bench/main.js <command> [options]      (after npm run bench:build)

  profile   phases and kernels of an SGD step: --model, --batch, --steps

  --backend <name>   what runs the maths (native)
  --threads <n>      threads of the native backend and of its peers (all cores)
  --model <name>     ${Object.keys(networks).join(' or ')} (c4d3)
  --batch <n>        pictures in a step (100)
  --steps <n>        steps of a profile (20)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'native' },
    threads: { type: 'string' },
    model: { type: 'string', default: 'c4d3' },
    batch: { type: 'string', default: '100' },
    steps: { type: 'string', default: '20' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const [command] = positionals;
if (values.help || command === undefined) {
  say(help);
} else if (command === 'profile') {
  const backend = await activate(values.backend, values.threads ? Number(values.threads) : undefined);
  await profile(backend, {
    network: networkName(values.model),
    batch: Number(values.batch),
    steps: Number(values.steps),
  });
} else {
  throw new Error(`unknown command ${command}; --help lists them`);
}

function networkName(text: string): NetworkName {
  if (text in networks) return text as NetworkName;
  throw new Error(`unknown model ${text}: ${Object.keys(networks).join(' or ')}`);
}
