import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ConfigError } from '../../../src/errors.js';
import { loadAllExperiments, loadExperiment } from '../../../src/lab/config/load.js';
import { temporaryFolder } from '../results/support.js';

const shipped = 'experiments';
const exp01 = readFileSync(join(shipped, 'exp01.yaml'), 'utf8');
const folder = temporaryFolder();

/** The message for a file of that text, without the folder. */
function problemsOf(text: string): string {
  const file = join(folder.path, 'mine.yaml');
  writeFileSync(file, text);
  try {
    loadExperiment(file, { experimentsDir: shipped });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${folder.path}/`, '');
    throw error;
  }
  return 'no problem';
}

/** The same for exp01 with one place changed. */
function problemsAfter(before: string, after: string): string {
  if (!exp01.includes(before)) throw new Error(`exp01 does not contain ${before}`);
  return problemsOf(exp01.replace(before, after));
}

const lineOf = (text: string): number => exp01.slice(0, exp01.indexOf(text)).split('\n').length;

test.each([
  ['a wrong type', 'lr: 0.1, momentum', 'lr: fast, momentum', 'optimizer.lr: found "fast", expected a number'],
  ['a number out of range', 'momentum: 0.9', 'momentum: 1', 'optimizer.momentum: found 1, expected less than 1'],
  ['an unknown key', 'momentum: 0.9', 'momentun: 0.9', 'optimizer.momentun: unknown key, did you mean "momentum"?'],
  [
    'a missing kind',
    'kind: sgd, ',
    '',
    'optimizer.kind: found nothing, expected one of "sgd", "adam", "kfac", "cg-newton"',
  ],
  [
    'an unknown kind',
    'kind: sgd',
    'kind: sdg',
    'expected one of "sgd", "adam", "kfac", "cg-newton" (did you mean "sgd"?)',
  ],
])('%s is named with its file, line, key and what was expected', (_name, before, after, expected) => {
  const message = problemsAfter(before, after);
  expect(message).toMatch(new RegExp(`^mine\\.yaml:${lineOf(before)}:\\d+: variants\\.sgd\\.optimizer\\.`));
  expect(message).toContain(expected);
  expect(message).not.toContain('\n');
});

test('the column points at the value, or at the key that is wrong', () => {
  const line = exp01.split('\n')[lineOf('lr: 0.1, momentum') - 1] ?? '';
  const column = (text: string): number => line.indexOf(text) + 1;
  expect(problemsAfter('lr: 0.1, momentum', 'lr: -1, momentum')).toContain(`:${column('0.1')}: `);
  expect(problemsAfter('momentum: 0.9', 'momentun: 0.9')).toContain(`:${column('momentum')}: `);
});

test.each([
  ['epochs: 100', 'epochs: 1.5', 'epochs: found 1.5, expected a whole number'],
  ['epochs: 100', "epochs: '100'", 'epochs: found "100", expected a number'],
  ['model: mlp-cifar10', 'model: mlp-cifar', '(did you mean "mlp-cifar10"?)'],
  [
    'model: mlp-cifar10',
    'model: 5',
    'found 5, expected one of "mlp-cifar10", "mlp-mnist", "c4d3", "3c3d" or a mapping',
  ],
  ['model: mlp-cifar10', 'model: { network: c4d4 }', 'model.network: found "c4d4", expected one of "mlp-cifar10", '],
  [
    'model: mlp-cifar10',
    'model: { network: c4d3, activation: sine }',
    'model.activation: found "sine", expected one of',
  ],
  ['model: mlp-cifar10', 'model: { hidden: [10, x] }', 'model.hidden.1: found "x", expected a number'],
  ['dataset: cifar10', 'dataset: cifar11', '(did you mean "cifar10"?)'],
  ['name: exp01', 'name: Exp 01', 'name: found "Exp 01", expected lower-case letters'],
  ['  sgd:', '  SGD:', 'variants.SGD: bad name, expected lower-case letters'],
  ['seeds: 0-9', 'seeds: 9-0', 'seeds: found "9-0", expected "0-9"'],
  ['seeds: 0-9', 'seeds: 0-99999999999', 'seeds: found 100000000000 seeds, expected at most 1000'],
  ['seeds: 0-9', 'seeds: [0, -1]', 'seeds.1: found -1, expected at least 0'],
  ['seeds: 0-9', 'seeds: all', 'expected a seed list such as "0-9" or "0,3"'],
  ["seeds: '0'", "seeds: '4-1'", 'quick.seeds: found "4-1", expected "1-4"'],
])('%s -> %s', (before, after, expected) => {
  const message = problemsAfter(before, after);
  expect(message).toMatch(new RegExp(`^mine\\.yaml:${lineOf(before)}:\\d+: `));
  expect(message).toContain(expected);
});

test('every problem gets a line of its own', () => {
  expect(problemsAfter('batchSize: 500', 'batchsize: 500').split('\n')).toEqual([
    expect.stringMatching(/^mine\.yaml:\d+:1: batchSize: found nothing, expected a number$/),
    expect.stringMatching(/^mine\.yaml:\d+:1: batchsize: unknown key, did you mean "batchSize"\?$/),
  ]);
});

describe('files that are no experiment', () => {
  const layers = [...'bcdefghij'].map(
    (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[i]}`).join()}]`,
  );
  test.each([
    ['an empty file', '', 'mine.yaml: empty, expected an experiment'],
    ['comments only', '# nothing\n', 'mine.yaml: empty, expected an experiment'],
    ['a list', '- a\n', 'mine.yaml:1:1: found a list, expected an experiment (a mapping)'],
    ['text', 'hello', 'mine.yaml:1:1: found a single value, expected an experiment (a mapping)'],
    ['a tab', 'a:\n\tb: 1', 'mine.yaml:2:1: Tabs are not allowed as indentation'],
    ['a duplicate key', 'name: a\nname: b', 'mine.yaml:2:1: duplicate key "name"'],
    ['two documents', 'a: 1\n---\nb: 2', 'mine.yaml:2:1: a second document begins, expected one experiment a file'],
    ['an unknown tag', 'a: !foo 1', 'mine.yaml:1:4: Unresolved tag: !foo'],
    ['an unknown alias', 'a: *x', 'mine.yaml:1:4: nothing before this is named &x'],
    ['a billion laughs', ['a: &a [x,x,x]', ...layers].join('\n'), 'mine.yaml: its aliases multiply without bounds'],
    ['deep nesting', '['.repeat(50_000), expect.stringMatching(/^mine\.yaml:1:\d+: nested too deeply$/)],
    ['too much', '#'.repeat(2 ** 21), expect.stringContaining('expected an experiment file of at most 1048576')],
  ])('%s', (_name, text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });

  test('a missing file and a folder', () => {
    const load = (file: string) => () => loadExperiment(file, { experimentsDir: shipped });
    expect(load('./nope.yaml')).toThrow(/^\.\/nope\.yaml: no such file$/);
    expect(load(`${folder.path}/`)).toThrow(/is a folder, expected an experiment file/);
  });
});

describe('grids', () => {
  const withGrid = (grid: string): string => problemsAfter('momentum: 0.9 }', `momentum: 0.9 }\n    grid: ${grid}`);
  test.each([
    ['{ optimizer.lr: [0.1, 1], batchSize: [100] }', 'no problem'],
    ['{ optimizer.lrr: [1] }', 'variants.sgd.grid.optimizer.lrr: nothing here to vary, did you mean "optimizer.lr"?'],
    ['{ label: [a] }', 'variants.sgd.grid.label: nothing here to vary, known: model, optimizer.kind'],
    ['{ optimizer.lr: [0.1, -1] }', 'variants.sgd.grid: optimizer.lr: found -1, expected more than 0'],
    ['{ optimizer.lr: [0.1, 0.1] }', 'variants.sgd.grid: gives "sgd_lr_0.1" twice'],
    ['{ optimizer.lr: { logspace: [-3, 1, 99999999] } }', 'found 99999999 combinations, expected at most 1000'],
    ['{ optimizer.lr: [true] }', 'variants.sgd.grid.optimizer.lr.0: found true, expected a number or text'],
    ['{}', 'variants.sgd.grid: found an empty mapping, expected at least one key path'],
  ])('%s', (grid, expected) => expect(withGrid(grid)).toContain(expected));

  test('a name that a grid also makes', () => {
    const other = 'sgd_lr_1:\n    label: Other\n    optimizer: { kind: sgd, lr: 1 }\n';
    const message = problemsAfter(
      'momentum: 0.9 }\n',
      `momentum: 0.9 }\n    grid: { optimizer.lr: [1] }\n\n  ${other}`,
    );
    expect(message).toContain('variants: two variants are called "sgd_lr_1" once grids expand');
  });
});

describe('figures', () => {
  const withFigures = (...figures: string[]): string =>
    problemsOf(`${exp01}\nfigures:\n  - ${figures.join('\n  - ')}\n`);
  test.each([
    [['{ file: a, metric: train_loss, series: [sgd, exp01/cg-ggn, exp99/x] }'], 'no problem'],
    [
      ['{ file: a, metric: train_loss, series: [sgd, cg-gn] }'],
      'figures.0.series.1: unknown variant "cg-gn", did you mean "cg-ggn"?',
    ],
    [['{ file: a, metric: train_loss, series: [exp01/sdg] }'], 'figures.0.series.0: unknown variant "sdg"'],
    [
      ['{ file: a, metric: train_loss, series: [sgd] }', '{ file: a, metric: test_loss, series: [sgd] }'],
      'figures.1.file: "a" is already the name of another figure',
    ],
    [['{ file: ../a, metric: train_loss, series: [sgd] }'], 'figures.0.file: found "../a", expected a file name'],
  ])('%s', (figures, expected) => expect(withFigures(...figures)).toContain(expected));
});

describe('finding experiments', () => {
  test('by name, by path, and all of a folder', () => {
    const byName = loadExperiment('exp01', { experimentsDir: shipped });
    expect(byName.name).toBe('exp01');
    expect(loadExperiment(`./${shipped}/exp01.yaml`, { experimentsDir: '/nowhere' })).toEqual(byName);
    expect(loadAllExperiments(shipped)).toContainEqual(byName);
  });

  test('in folders within the folder: by name, by folder and name, by path', () => {
    const load = (name: string) => loadExperiment(name, { experimentsDir: shipped });
    const byName = load('exp08-grid');
    expect(byName.name).toBe('exp08-grid');
    expect(load('grids/exp08-grid')).toEqual(byName);
    expect(load('experiments/grids/exp08-grid.yaml')).toEqual(byName);
    expect(() => load('grids/exp08')).toThrow(
      new ConfigError('unknown experiment "grids/exp08": did you mean "grids/exp08-grid"?'),
    );
    expect(() => load('nope/x')).toThrow(/^unknown experiment "nope\/x": known: exp01, .*, grids\/exp08-grid, /);
    expect(() => load('experiments/grids')).toThrow(/^experiments\/grids: is a folder, expected an experiment file$/);
  });

  test('a path without an ending is a file, if there is one', () => {
    const file = join(folder.path, 'mine');
    writeFileSync(file, exp01);
    expect(loadExperiment(relative('.', file), { experimentsDir: shipped }).name).toBe('exp01');
  });

  test('a name in two folders is ambiguous, a place is not', () => {
    const dir = join(folder.path, 'twins');
    for (const sub of ['', 'a', 'b']) {
      mkdirSync(join(dir, sub), { recursive: true });
      if (sub) writeFileSync(join(dir, sub, 'exp01.yaml'), exp01);
    }
    const load = (name: string) => loadExperiment(name, { experimentsDir: dir });
    expect(() => load('exp01')).toThrow(/^two experiments are called "exp01": .*a\/exp01\.yaml and .*b\/exp01\.yaml$/);
    expect(load('b/exp01').name).toBe('exp01');
  });

  test('JSON says the same as YAML', () => {
    const experiment = loadExperiment('exp02', { experimentsDir: shipped });
    writeFileSync(join(folder.path, 'exp02.json'), JSON.stringify(experiment, null, 2));
    expect(loadExperiment('exp02', { experimentsDir: folder.path })).toEqual(experiment);
  });

  test('an unknown name suggests the nearest', () => {
    const load = (name: string) => () => loadExperiment(name, { experimentsDir: shipped });
    expect(load('exp1')).toThrow(new ConfigError('unknown experiment "exp1": did you mean "exp01"?'));
    expect(load('zebra')).toThrow(/unknown experiment "zebra": known: exp01, exp02/);
  });

  test('in the folder the file is named as the experiment', () => {
    mkdirSync(join(folder.path, 'all'));
    writeFileSync(join(folder.path, 'all', 'other.yaml'), exp01);
    expect(() => loadAllExperiments(join(folder.path, 'all'))).toThrow(
      /other\.yaml:\d+:7: name: found "exp01", expected "other", the name of the file$/,
    );
  });
});
