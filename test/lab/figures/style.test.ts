import { dashes, lineStyles } from '../../../src/lab/figures/style.js';

const kinds = (...names: ('sgd' | 'adam' | 'kfac' | 'cg-newton')[]) => names.map((kind) => ({ kind }));

test('SGD is the third of YlOrRd-5, curvature variants go through YlGnBu-5 from dark to light', () => {
  const colors = lineStyles(kinds('sgd', 'cg-newton', 'cg-newton', 'cg-newton', 'cg-newton')).map(({ color }) => color);
  expect(colors).toEqual(['#fd8d3c', '#253494', '#2c7fb8', '#41b6c4', '#a1dab4']);
});

test('Adam is the fifth of YlOrRd-5, K-FAC the third of PuRd-5', () => {
  expect(lineStyles(kinds('sgd', 'adam', 'kfac')).map(({ color }) => color)).toEqual(['#fd8d3c', '#bd0026', '#df65b0']);
});

test('line styles cycle solid, dashed, dash-dotted, dotted', () => {
  const { solid, dashed, dashDotted, dotted } = dashes;
  const found = lineStyles(kinds('sgd', 'sgd', 'sgd', 'sgd', 'sgd')).map(({ dash }) => dash);
  expect(found).toEqual([solid, dashed, dashDotted, dotted, solid]);
});

test('a colour of the experiment file wins and leaves the others as they are', () => {
  const [, mine, next] = lineStyles([{ kind: 'sgd' }, { kind: 'cg-newton', color: 'hotpink' }, { kind: 'cg-newton' }]);
  expect([mine?.color, next?.color]).toEqual(['hotpink', '#2c7fb8']);
});

test('a grid of many variants gives lines that all look different', () => {
  const many = lineStyles([
    ...kinds(...Array<'sgd'>(12).fill('sgd')),
    ...kinds(...Array<'cg-newton'>(12).fill('cg-newton')),
  ]);
  expect(new Set(many.map((style) => JSON.stringify(style))).size).toBe(24);
});
