import { ConfigError } from '../../../src/errors.js';
import { withActivation } from '../../../src/lab/config/activation.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import { loadExperiment } from '../../../src/lab/config/load.js';
import { experimentSchema } from '../../../src/lab/config/schema.js';
import { specHash } from '../../../src/lab/results/spec-hash.js';
import { runDir } from '../../../src/lab/results/store.js';

const exp08 = loadExperiment('exp08', { experimentsDir: 'experiments' });

test('every network gets the activation; folders and hashes of the runs are others', () => {
  const relu = withActivation(exp08, 'relu');
  expect(relu).toMatchObject({ name: 'exp08-relu', title: `${exp08.title}, relu`, figures: [] });
  const [before, after] = [expandExperiment(exp08), expandExperiment(relu)];
  expect(after).toEqual(
    before.map((spec) => ({ ...spec, experiment: 'exp08-relu', model: { network: 'c4d3', activation: 'relu' } })),
  );
  const places = [...before, ...after].map((spec) => runDir('runs', spec));
  expect(new Set(places).size).toBe(places.length);
  const hashes = [...before, ...after].map(specHash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('an experiment that has the activation already stays itself', () => {
  expect(withActivation(exp08, 'sigmoid')).toBe(exp08);
  const tanh = withActivation(exp08, 'tanh');
  expect(withActivation(tanh, 'tanh')).toBe(tanh);
});

test('own networks of variants change, too; a grid over activations cannot', () => {
  const mine = (variant: object) =>
    experimentSchema.parse({
      ...exp08,
      name: 'mine',
      figures: [],
      variants: { sgd: { label: 'SGD', optimizer: { kind: 'sgd', lr: 1 }, ...variant } },
    });
  const own = mine({ model: { hidden: [4], activation: 'relu' } });
  expect(withActivation(own, 'tanh').variants['sgd']!.model).toEqual({ hidden: [4], activation: 'tanh' });
  expect(withActivation(own, 'sigmoid').name).toBe('mine-sigmoid');
  const grid = mine({
    model: { network: 'c4d3', activation: 'relu' },
    grid: { 'model.activation': ['relu', 'tanh'] },
  });
  expect(() => withActivation(grid, 'tanh')).toThrow(
    new ConfigError('mine: the grid of "sgd" varies the activation: none can be given for all'),
  );
});
