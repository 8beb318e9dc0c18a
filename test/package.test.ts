/**
 * The package as a user gets it: packed, put into an empty project, used there. Needs `npm run build` (make test sees to it).
 *
 * Here its dependencies are linked, those that package.json names and no others. `npm run test:pack` (HBP_PACK=long) has npm
 * install them, in the ways that a user may: with and without install scripts, without a compiler, with the native backend.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isLong = process.env['HBP_PACK'] === 'long';

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

let folder: string;
let packed: Packed;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hbp-package-')));
  // What `npm pack` builds first is there.
  const json = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    env: environment(),
  });
  packed = (JSON.parse(json) as Packed[])[0]!;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('holds what it needs and nothing for development', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const needed of [
    ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'bin/hbp.js'],
    ...['dist/engine/index.js', 'dist/engine/index.d.ts', 'dist/cli/main.js', 'dist/lab/training/worker.js'],
    ...['experiments/exp01.yaml', 'experiments/schema.json', 'data/original/README.md'],
    ...['native/binding.gyp', 'native/src/addon.cc', 'scripts/build-native.js'],
  ]) {
    expect(paths).toContain(needed);
  }
  const places =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|bin|dist|experiments|data\/original|native|scripts)(\/|$)/;
  const development =
    /\.map$|tsbuildinfo|(^|\/)test|\.node$|^native\/build|^scripts\/(?!build-native)|^dist\/.*(?<!\.d)\.ts$/;
  expect(paths.filter((path) => !places.test(path) || development.test(path))).toEqual([]);
});

it('is as large as the README says, about', () => {
  const [, said] = /package of ([\d.]+) MB/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  expect(packed.size / 1e6 / Number(said)).toBeGreaterThan(0.8);
  expect(packed.size / 1e6 / Number(said)).toBeLessThan(1.25);
});

it('has no install script that could break an installation', () => {
  const { scripts } = manifest();
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
});

describe('in a project of its own, dependencies linked', () => {
  let project: string;
  beforeAll(() => {
    project = emptyProject('linked');
    const target = join(project, 'node_modules/hbp');
    mkdirSync(target, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', target]);
    for (const name of Object.keys(manifest().dependencies)) link(name, project);
    mkdirSync(join(project, 'node_modules/.bin'));
    symlinkSync('../hbp/bin/hbp.js', join(project, 'node_modules/.bin/hbp'));
    chmodSync(join(target, 'bin/hbp.js'), 0o755);
  });

  it('works as a command', () => worksAsCommand(project, ['./tiny.yaml', '--quick']));
  it('works as a library', () => worksAsLibrary(project));
  it('has types', () => hasTypes(project));
});

if (isLong) {
  describe.each([
    ['as npm does it', [], {}],
    ['without install scripts', ['--ignore-scripts'], {}],
    ['where there is no compiler', [], { PATH: pathWithoutCompiler() }],
  ])('installed %s', (name, flags, env) => {
    let project: string;
    beforeAll(() => {
      project = emptyProject(name.replaceAll(' ', '-'));
      const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...flags, join(folder, packed.filename)];
      execFileSync('npm', args, { cwd: project, stdio: 'ignore', env: environment(env) });
    }, 600_000);

    it(
      'works as a command',
      () => worksAsCommand(project, ['exp01', '--quick', '--epochs', '1', '--variant', 'sgd'], env),
      600_000,
    );
    it('works as a library', () => worksAsLibrary(project, env));
    it('has types', () => hasTypes(project));

    it('builds the native backend if it can, and says what is missing if not', () => {
      const { status, stderr } = hbp(project, ['native'], env);
      const missing = 'PATH' in env || !hasDnnl();
      expect({ status, stderr }).toMatchObject({ status: missing ? 4 : 0 });
      if (missing) expect(stderr).toMatch(/^The native backend is not built: .+\nhbp: .*`hbp native --help` lists/);
      const { works } = backendStatus(project, env);
      expect(works).toContain('wasm');
      expect(works.includes('native')).toBe(!missing);
    }, 600_000);
  });
}

function manifest(): { scripts: Record<string, string>; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as ReturnType<typeof manifest>;
}

function emptyProject(name: string): string {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  writeFileSync(
    join(project, 'tiny.yaml'),
    `name: tiny
title: A small network
dataset: cifar10
model: { hidden: [8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 1
seeds: 0
quick: { epochs: 1, trainSamples: 100, testSamples: 50, seeds: '0' }
variants:
  cg: { label: CG, optimizer: { kind: cg-newton, secondOrder: abs, lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50 } }
figures:
  - { file: tiny, metric: train_loss, series: [cg] }
`,
  );
  return project;
}

function link(name: string, project: string): void {
  const place = join(project, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(realpathSync(join(root, 'node_modules', name)), place);
}

/** None of the caller's choices, npm's least of all: a test that npm runs passes its settings on. */
function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(cache|registry|userconfig))|HBP_|NODE_OPTIONS)/i.test(name),
  );
  return { ...Object.fromEntries(own), NO_COLOR: '1', ...more };
}

function hbp(project: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync('npx', ['--no-install', 'hbp', ...args], { cwd: project, encoding: 'utf8', env: environment(env) });
}

function worksAsCommand(project: string, training: readonly string[], env?: NodeJS.ProcessEnv): void {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(hbp(project, ['--version'], env)).toMatchObject({ status: 0, stdout: `${version}\n` });
  expect(hbp(project, ['list'], env).stdout).toContain('exp09');
  expect(hbp(project, ['run', ...training, '--backend', 'wasm'], env)).toMatchObject({ status: 0 });
  expect(hbp(project, ['plot', training[0]!, '--quick'], env)).toMatchObject({ status: 0 });
  expect(hbp(project, ['plot', 'fig4', '--original', '--format', 'svg'], env)).toMatchObject({ status: 0 });
  const drawn = readdirSync(join(project, 'fig'), { recursive: true });
  for (const ending of ['svg', 'png', 'pdf', 'vl.json']) expect(drawn.join(' ')).toContain(`train_loss.${ending}`);
  expect(existsSync(join(project, 'fig/fig4_1.svg'))).toBe(true);
}

function worksAsLibrary(project: string, env?: NodeJS.ProcessEnv): void {
  const [, code] = /```js\n([^]*?)^```$/m.exec(readFileSync(join(root, 'docs/engine.md'), 'utf8'))!;
  // npm puts what the package depends on beside it; the code takes TensorFlow.js from there.
  writeFileSync(join(project, 'step.js'), code!.replace("useBackend('auto')", "useBackend('wasm')"));
  const said = execFileSync(process.execPath, ['step.js'], { cwd: project, encoding: 'utf8', env: environment(env) });
  expect(said).toMatch(/^1\.\d+ \[/);
}

function hasTypes(project: string): void {
  writeFileSync(
    join(project, 'consumer.ts'),
    `import { CgNewton, type LinearOperator, mlp, useBackend } from 'hbp';
const { name }: { name: string } = await useBackend('cpu');
const model = mlp({ input: 2, hidden: [3], output: 2 }, 'tanh', { uniform: Math.random });
// @ts-expect-error: there is no such activation
mlp({ input: 2, hidden: [3], output: 2 }, 'step', { uniform: Math.random });
export function trace(operator: LinearOperator): number[] {
  return [...operator.trace().dataSync()];
}
export const newton = new CgNewton({ lr: 0.1, alpha: 0.02, tol: 0.1, atol: 0, maxiter: 50 });
export const parameters: number = model.parameters.length + name.length;
`,
  );
  const args = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'nodenext'];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...args, 'consumer.ts'], {
    cwd: project,
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
}

function backendStatus(project: string, env: NodeJS.ProcessEnv): { works: string[] } {
  const { stdout } = hbp(project, ['doctor', '--json', '--no-bench'], env);
  const { backends } = JSON.parse(stdout) as { backends: { name: string; state: string }[] };
  return { works: backends.flatMap(({ name, state }) => (state === 'fails' ? [] : [name])) };
}

function hasDnnl(): boolean {
  return ['/usr', '/usr/local', '/opt/homebrew', process.env['DNNL_ROOT'] ?? ''].some((prefix) =>
    existsSync(join(prefix, 'include/oneapi/dnnl/dnnl.hpp')),
  );
}

/** A PATH of links to every program but compilers. */
function pathWithoutCompiler(): string {
  const bin = mkdtempSync(join(tmpdir(), 'hbp-path-'));
  for (const from of (process.env['PATH'] ?? '').split(delimiter).filter((dir) => existsSync(dir))) {
    for (const name of readdirSync(from)) {
      if (/(^|-)(c\+\+|cc|gcc|g\+\+|clang|clang\+\+|c89|c99|cpp|tcc)(-[\d.]+)?$/.test(name)) continue;
      if (!existsSync(join(bin, name))) symlinkSync(join(from, name), join(bin, name));
    }
  }
  return bin;
}
