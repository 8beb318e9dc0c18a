/**
 * What an experiment file may say. One schema serves the loader (errors with line numbers), the editors (JSON Schema)
 * and the types. A file lists variants (what is trained) and figures (what is drawn from them).
 */
import { z } from 'zod';
import type { Route } from '../../engine/curvature/cvp/routes.js';

const positive = z.number().positive();
const positiveInt = z.number().int().positive();
const fraction = z.number().min(0).max(1);
const slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, ".", "_" and "-", starting with a letter or digit');

/** "0-9", "0,3", 2 or a list of seeds. */
export const seedsSchema = z.union([
  z.string().regex(/^\d+(-\d+)?(,\d+(-\d+)?)*$/, 'a seed list such as "0-9" or "0,3"'),
  z.number().int().nonnegative(),
  z.array(z.number().int().nonnegative()).nonempty(),
]);

export const activationSchema = z.enum(['sigmoid', 'tanh', 'relu']);

/** The networks of the experiments, all with sigmoid activations there. */
const networkSchema = z.enum(['mlp-cifar10', 'mlp-mnist', 'c4d3', '3c3d']);

/** A network by name, the same with other activations, or a fully connected one given by its hidden widths. */
export const modelSchema = z.union([
  networkSchema,
  z.strictObject({ network: networkSchema, activation: activationSchema.default('sigmoid') }),
  z.strictObject({
    hidden: z.array(positiveInt).describe('widths of the hidden layers, input side first'),
    activation: activationSchema.default('sigmoid'),
    pool: positiveInt
      .exactOptional()
      .describe('pictures are first averaged over squares of so many pixels a side; the rest at the edges is left out'),
  }),
]);

/** How the second-order terms of activations enter: kept, dropped (GGN), absolute values or positive part (PCH). */
export const secondOrderSchema = z.enum(['none', 'zero', 'abs', 'clip']);

export const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sgd'), lr: positive, momentum: z.number().min(0).lt(1).default(0) }),
  z.strictObject({
    kind: z.literal('adam'),
    lr: positive,
    beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the first moment'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the second moment'),
    eps: positive.default(1e-8).describe('added to the root of the second moment'),
  }),
  z.strictObject({
    kind: z.literal('kfac'),
    lr: positive,
    momentum: z.number().min(0).lt(1).default(0.9),
    statDecay: z.number().min(0).lt(1).default(0.95).describe('weight of the past in the averaged factors'),
    damping: positive.default(0.001).describe('added to the eigenvalues of the curvature'),
    klClip: positive.default(0.001).describe('bound on lr^2 sum(direction * gradient)'),
    weightDecay: z.number().nonnegative().default(0),
    TCov: positiveInt.default(10).describe('steps between updates of the factors'),
    TInv: positiveInt.default(100).describe('steps between eigendecompositions'),
  }),
  z.strictObject({
    kind: z.literal('cg-newton'),
    curvature: z
      .enum(['hbp', 'cvp'])
      .default('hbp')
      .describe('Hessian backpropagation with averaged Jacobians, or exact products'),
    secondOrder: secondOrderSchema,
    lr: positive,
    alpha: fraction.describe('damping: the system solved is alpha I + (1 - alpha) C'),
    tol: z.number().nonnegative().describe('CG stops when ||r|| < max(tol ||b||, atol)'),
    atol: z.number().nonnegative().default(0),
    maxiter: positiveInt,
    blocks: positiveInt
      .default(1)
      .describe('output rows of every linear layer are split into at most that many blocks'),
    solver: z
      .enum(['fast', 'plain'])
      .default('fast')
      .describe('fast: the same iterates by fewer operations; plain: CG on the parameters themselves, for comparison'),
    reorthogonalize: z
      .boolean()
      .default(false)
      .describe('keep the residuals of CG orthogonal, as in exact arithmetic: fewer iterations where there are many'),
    route: z
      .enum(['chain', 'local', 'rows', 'square', 'gram'] satisfies Route[])
      .optional()
      .describe('one way for all Gauss-Newton products (curvature: cvp) instead of the cheapest for each block'),
  }),
]);

/** Values of a grid: a list, or n points from 10^a to 10^b as [a, b, n]. */
export const gridValuesSchema = z.union([
  z.array(z.union([z.number(), z.string()])).nonempty(),
  z.strictObject({ logspace: z.tuple([z.number(), z.number(), positiveInt]) }),
]);

/** What a variant trains with once the experiment's own values fill its gaps: all that a grid may vary. */
export const settingsSchema = z.strictObject({
  model: modelSchema,
  optimizer: optimizerSchema,
  batchSize: positiveInt,
  epochs: positiveInt,
});

export const variantSchema = z.strictObject({
  label: z.string().min(1).describe('legend entry'),
  color: z.string().min(1).optional().describe('CSS colour of the line'),
  optimizer: optimizerSchema,
  batchSize: positiveInt.optional(),
  epochs: positiveInt.optional(),
  model: modelSchema.optional(),
  grid: z
    .record(z.string(), gridValuesSchema)
    .refine((grid) => Object.keys(grid).length > 0, 'at least one key path')
    .optional()
    .describe('key path (optimizer.lr, batchSize, ...) to values; every combination becomes a variant of its own'),
});

export const metricNames = [
  'batch_loss',
  'batch_accuracy',
  'train_loss',
  'train_accuracy',
  'test_loss',
  'test_accuracy',
] as const;
export const metricSchema = z.enum(metricNames);

export const axisSchema = z.enum(['epoch', 'wall']);

export const figureSchema = z.strictObject({
  file: z
    .string()
    .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/, 'a file name below fig/, no extension'),
  title: z.string().optional(),
  metric: metricSchema,
  x: axisSchema.default('epoch'),
  lines: z
    .enum(['mean', 'seeds'])
    .default('mean')
    .describe('the mean over seeds with a band of one standard deviation, or one thin line a seed'),
  publishedXMax: positive
    .optional()
    .describe("where the x axis ends in a figure of the authors' runs; else where two variants still have values"),
  series: z
    .array(z.string().regex(/^[^/]+(\/[^/]+)?$/, '"variant" or "experiment/variant"'))
    .nonempty()
    .describe('what is drawn, in this order'),
});

export const datasetSchema = z.enum(['cifar10', 'mnist', 'synthetic-cifar10']);

export const experimentSchema = z.strictObject({
  $schema: z.string().optional(),
  name: slug,
  title: z.string().min(1),
  description: z.string().optional(),
  dataset: datasetSchema,
  model: modelSchema,
  batchSize: positiveInt,
  testBatchSize: positiveInt,
  epochs: positiveInt,
  evaluationsPerEpoch: positiveInt.default(1),
  seeds: seedsSchema,
  quick: z
    .strictObject({
      epochs: positiveInt,
      trainSamples: positiveInt,
      testSamples: positiveInt,
      batchSize: positiveInt.optional().describe('also smaller batches, for as many updates from fewer samples'),
      seeds: seedsSchema,
    })
    .describe('the reduced size of --quick'),
  variants: z.record(slug, variantSchema).refine((v) => Object.keys(v).length > 0, 'at least one variant'),
  figures: z.array(figureSchema).default([]),
  metricFigures: z
    .array(axisSchema)
    .default(['epoch'])
    .describe('against what every metric is drawn: NAME/METRIC by epoch, NAME/wall_METRIC by wall clock'),
});

export type Experiment = z.infer<typeof experimentSchema>;
export type Variant = z.infer<typeof variantSchema>;
export type Figure = z.infer<typeof figureSchema>;
export type Metric = z.infer<typeof metricSchema>;
export type Activation = z.infer<typeof activationSchema>;
export type ModelSpec = z.infer<typeof modelSchema>;
export type OptimizerSpec = z.infer<typeof optimizerSchema>;
export type SecondOrder = z.infer<typeof secondOrderSchema>;
export type DatasetName = z.infer<typeof datasetSchema>;
export type Seeds = z.infer<typeof seedsSchema>;
export type Settings = z.infer<typeof settingsSchema>;
export type GridValues = z.infer<typeof gridValuesSchema>;
