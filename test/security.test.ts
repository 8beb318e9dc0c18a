/** What docs/security.md promises, as far as it can be tried here; the dashboard's server has tests of its own. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadExperiment } from '../src/lab/config/load.js';
import { temporaryFolder } from './lab/results/support.js';

const home = fileURLToPath(new URL('..', import.meta.url));
const folder = temporaryFolder();

const sources = readdirSync(join(home, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(home, 'src', name), 'utf8') }));

it('no shell is started: programs are started by name with a list of arguments', () => {
  const starting = sources.filter(({ text }) => text.includes('node:child_process'));
  expect(starting.length).toBeGreaterThan(3);
  for (const { name, text } of starting) {
    const [, names = ''] = /import \{([^}]*)\} from 'node:child_process'/.exec(text) ?? [];
    const used = names.split(',').map((each) => each.trim().replace(/^type /, ''));
    const allowed = ['ChildProcess', 'execFile', 'execFileSync', 'fork', 'spawn', 'spawnSync'];
    expect([name, used.filter((each) => !allowed.includes(each))]).toEqual([name, []]);
    expect([name, /\bshell\s*:/.test(text)]).toEqual([name, false]);
  }
});

it('no text becomes code', () => {
  for (const { name, text } of sources) {
    expect([name, /\beval\(|new Function\(|node:vm'/.test(text)]).toEqual([name, false]);
  }
});

it('only the dashboard listens, on 127.0.0.1', () => {
  const listening = sources.filter(({ text }) => /\.listen\(/.test(text));
  expect(listening.map(({ name }) => name)).toEqual(['lab/dashboard/server.ts']);
  expect(listening[0]?.text).toMatch(/const address = '127\.0\.0\.1'/);
  expect(listening[0]?.text).toMatch(/server\.listen\(port, address,/);
});

const experiment = (name = 'mine', variant = 'sgd', figure = 'fig', more = ''): string => `
name: ${name}
title: Mine
dataset: synthetic-cifar10
model: mlp-cifar10
batchSize: 100
testBatchSize: 100
epochs: 1
seeds: 0
quick: { epochs: 1, trainSamples: 100, testSamples: 100, seeds: '0' }
variants:
  ${variant}: { label: SGD, optimizer: { kind: sgd, lr: 0.1, momentum: 0.9 } }
figures:
  - { file: ${figure}, metric: train_loss, series: [${variant}] }
${more}`;

function load(text: string): unknown {
  const file = join(folder.path, 'mine.yaml');
  writeFileSync(file, text);
  return loadExperiment(file, { experimentsDir: join(home, 'experiments') });
}

it.each([
  ['name', experiment('../mine')],
  ['name', experiment('..')],
  ['name', experiment('/tmp/mine')],
  ['variants', experiment('mine', '../../sgd')],
  ['variants', experiment('mine', '"a/b"')],
  ['figures', experiment('mine', 'sgd', '../fig')],
  ['figures', experiment('mine', 'sgd', '/tmp/fig')],
  ['figures', experiment('mine', 'sgd', 'a/../../fig')],
])('a %s that leads out of its folder is refused: case %#', (key, text) => {
  expect(() => load(experiment())).not.toThrow();
  expect(() => load(text)).toThrow(new RegExp(`mine\\.yaml:\\d+:\\d+: ${key}`));
});

it.each(['!!js/function "function () {}"', '!!binary aGJw', '!!python/object:os.system x', '!<tag:x,2026:y> 1'])(
  'tags in experiment files are refused: %s',
  (value) => {
    expect(() => load(experiment('mine', 'sgd', 'fig', `description: ${value}`))).toThrow(
      /mine\.yaml:15:\d+: (Unresolved tag|description: found a mapping)/,
    );
  },
);

it('no key of a file reaches the prototype of objects', () => {
  expect(() => load(experiment('mine', 'sgd', 'fig', '__proto__: { polluted: 1 }'))).toThrow(/mine\.yaml/);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

it('of every package that would run a script at its installation it is decided whether it may', () => {
  interface Manifest {
    readonly allowScripts: Readonly<Record<string, boolean>>;
    readonly packages: Readonly<Record<string, { readonly hasInstallScript?: true }>>;
  }
  const read = (name: string): Manifest => JSON.parse(readFileSync(join(home, name), 'utf8')) as Manifest;
  const withScripts = Object.entries(read('package-lock.json').packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect(Object.keys(read('package.json').allowScripts).sort()).toEqual([...new Set(withScripts)].sort());
});
