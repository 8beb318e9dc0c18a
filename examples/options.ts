/** The flags that all examples share, and where they print. */
import { parseArgs } from 'node:util';
import { type BackendChoice, backendNames, useBackend } from 'hbp';

export interface Options {
  /** Small sizes: seconds instead of minutes. */
  readonly quick: boolean;
  /** Folder for plots. */
  readonly out: string;
}

/** Read the flags, print the help if asked for, and choose the backend. */
export async function start(about: string): Promise<Options> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      out: { type: 'string', default: 'fig/examples' },
      backend: { type: 'string', default: 'auto' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(`${about}\n\n  --quick           small sizes, seconds instead of minutes`);
    say('  --out <dir>       where the plots go (fig/examples)');
    say(`  --backend <name>  ${backendNames.join(', ')}`);
    process.exit(0);
  }
  const backend = await useBackend(values.backend as BackendChoice);
  say(`${about}\nruns on ${backend.name} (${backend.description})`);
  return { quick: values.quick, out: values.out };
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
