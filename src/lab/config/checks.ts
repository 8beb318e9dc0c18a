/** What the schema alone cannot say: grids, names and seeds that fit together. */
import { messageOf } from '../../errors.js';
import { variantSettings, variantsOf } from './expand.js';
import { applyPoint, gridPoints, gridSize, pointName, type Grid } from './grid.js';
import { didYouMean } from './nearest.js';
import { check, joinPath, type Problem } from './problems.js';
import { settingsSchema, type Experiment } from './schema.js';
import { seedList } from './seeds.js';
import type { KeyPath } from './source.js';

/** More is a slip in a grid, not a search. */
const maxPoints = 1000;

export function checkExperiment(experiment: Experiment): Problem[] {
  const grids = Object.keys(experiment.variants).flatMap((name) => checkGrid(experiment, name));
  const others = [...checkSeeds(experiment), ...checkFigureFiles(experiment)];
  // Names can be told only once every grid expands.
  return grids.length > 0 ? [...grids, ...others] : [...others, ...checkNames(experiment), ...checkSeries(experiment)];
}

function problem(path: KeyPath, message: string, at: Problem['at'] = 'value'): Problem {
  return { path, at, message: `${joinPath(path)}: ${message}` };
}

function checkSeeds(experiment: Experiment): Problem[] {
  const lists = [
    { path: ['seeds'], seeds: experiment.seeds },
    { path: ['quick', 'seeds'], seeds: experiment.quick.seeds },
  ];
  return lists.flatMap(({ path, seeds }): Problem[] => {
    try {
      seedList(seeds, joinPath(path));
      return [];
    } catch (error) {
      return [{ path, at: 'value', message: messageOf(error) }];
    }
  });
}

function checkGrid(experiment: Experiment, name: string): Problem[] {
  const variant = experiment.variants[name];
  if (!variant?.grid) return [];
  const { grid } = variant;
  const path = ['variants', name, 'grid'];
  const settings = variantSettings(experiment, variant);
  const known = leafPaths(settings);
  const unknown = Object.keys(grid).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    return unknown.map((key) => problem([...path, key], `nothing here to vary, ${didYouMean(key, known)}`, 'key'));
  }
  const size = gridSize(grid);
  if (size > maxPoints) return [problem(path, `found ${size} combinations, expected at most ${maxPoints}`)];
  return distinct([...checkPoints(settings, grid, path), ...checkRepeats(name, grid, path)]);
}

function checkPoints(settings: object, grid: Grid, path: KeyPath): Problem[] {
  return gridPoints(grid).flatMap((point) => {
    const { problems = [] } = check(settingsSchema, applyPoint(settings, point));
    return problems.map(({ path: inner, message }) => {
      const key = joinPath(inner);
      const where = key in grid ? [...path, key] : path;
      return { path: where, at: 'value' as const, message: `${joinPath(path)}: ${message}` };
    });
  });
}

function checkRepeats(name: string, grid: Grid, path: KeyPath): Problem[] {
  const names = gridPoints(grid).map((point) => pointName(name, point));
  return repeated(names).map((twice) => problem(path, `gives "${twice}" twice`));
}

function checkNames(experiment: Experiment): Problem[] {
  const names = variantsOf(experiment).map(({ name }) => name);
  return repeated(names).map((name) => problem(['variants'], `two variants are called "${name}" once grids expand`));
}

function checkFigureFiles({ figures }: Experiment): Problem[] {
  const files = figures.map(({ file }) => file);
  return files.flatMap((file, i) =>
    files.indexOf(file) < i ? [problem(['figures', i, 'file'], `"${file}" is already the name of another figure`)] : [],
  );
}

/** Series of this experiment must exist; those of others are looked up when the figure is drawn. */
function checkSeries(experiment: Experiment): Problem[] {
  const known = [...new Set(variantsOf(experiment).flatMap(({ base, name }) => [base, name]))];
  return experiment.figures.flatMap(({ series }, f) =>
    series.flatMap((text, s) => {
      const [variant = text, other = experiment.name] = text.split('/').reverse();
      if (other !== experiment.name || known.includes(variant)) return [];
      return [problem(['figures', f, 'series', s], `unknown variant "${variant}", ${didYouMean(variant, known)}`)];
    }),
  );
}

/** Key paths of everything in `settings` that is a single value. */
function leafPaths(settings: object, prefix = ''): string[] {
  return Object.entries(settings).flatMap(([key, value]: [string, unknown]) => {
    if (Array.isArray(value)) return [];
    return typeof value === 'object' && value !== null ? leafPaths(value, `${prefix}${key}.`) : [`${prefix}${key}`];
  });
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) < i))];
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((each) => [each.message, each])).values()];
}
