/** The names of the authors' folders, as their scripts give them. */
import { variantsOf } from '../../../src/lab/config/expand.js';
import { loadExperiment } from '../../../src/lab/config/load.js';
import { experimentSchema, type OptimizerSpec } from '../../../src/lab/config/schema.js';
import { experimentDir, normalizedRunName, runDirName, runPath, seedOfName } from '../../../src/lab/archive/layout.js';
import { pythonFloat } from '../../../src/lab/archive/python-text.js';
import { experimentsDir, variantOf } from './fixtures.js';

const published: Record<string, Record<string, string>> = {
  exp01: {
    sgd: 'exp01_reproduce_chen_figures/cifar10/batch_500_lr_0.1_mom_0.9_opt_sgd',
    'cg-ggn':
      'exp01_reproduce_chen_figures/cifar10/alpha_0.02_atol_0_batch_500_lr_0.1_maxiter_50_mod2nd_zero_opt_cgn_tol_0.1',
    'cg-pch-abs':
      'exp01_reproduce_chen_figures/cifar10/alpha_0.02_atol_0_batch_500_lr_0.1_maxiter_50_mod2nd_abs_opt_cgn_tol_0.1',
    'cg-pch-clip':
      'exp01_reproduce_chen_figures/cifar10/alpha_0.02_atol_0_batch_500_lr_0.1_maxiter_50_mod2nd_clip_opt_cgn_tol_0.1',
  },
  exp02: Object.fromEntries(
    [1, 2, 4, 16].map((blocks) => [
      `blocks-${blocks}`,
      `exp02_chen_splitting/cifar10/alpha_0.02_atol_0_batch_500_blocks_${blocks}_lr_0.1_maxiter_50_mod2nd_abs_opt_cgn_tol_0.1`,
    ]),
  ),
  exp08: {
    sgd: 'exp08_c4d3_optimization/sgd/act_sigmoid_batch_100_lr_0.001_mom_0.9_opt_sgd',
    adam: 'exp08_c4d3_optimization/adam/act_sigmoid_b1_0.9_b2_0.999_batch_100_lr_0.001_opt_adam',
    kfac: 'exp08_c4d3_optimization/kfac/TCov_10_TInv_100_act_sigmoid_batch_500_batch_avg_True_damp_0.001_kl_clip_0.001_lr_0.1_mom_0.9_opt_kfac_stat_dec_0.95_weight_dec_0',
    'pch-abs':
      'exp08_c4d3_optimization/cvp/act_sigmoid_alpha_0.001_atol_0.0_batch_1000_lr_0.2_maxiter_200_mod2nd_abs_opt_cgn_tol_0.1',
    'pch-clip':
      'exp08_c4d3_optimization/cvp/act_sigmoid_alpha_0.0001_atol_0.0_batch_1000_lr_0.1_maxiter_200_mod2nd_clip_opt_cgn_tol_0.1',
    'ggn-alpha1':
      'exp08_c4d3_optimization/cvp/act_sigmoid_alpha_0.0001_atol_0.0_batch_1000_lr_0.1_maxiter_200_mod2nd_zero_opt_cgn_tol_0.1',
    'ggn-alpha2':
      'exp08_c4d3_optimization/cvp/act_sigmoid_alpha_0.001_atol_0.0_batch_1000_lr_0.1_maxiter_200_mod2nd_zero_opt_cgn_tol_0.1',
  },
  exp09: {
    sgd: 'exp09_c3d3_optimization/sgd/act_sigmoid_batch_100_lr_1.0_mom_0.0_opt_sgd',
    adam: 'exp09_c3d3_optimization/adam/act_sigmoid_b1_0.9_b2_0.999_batch_100_lr_0.001_opt_adam',
    'pch-abs':
      'exp09_c3d3_optimization/cvp/act_sigmoid_alpha_0.001_atol_0.0_batch_500_lr_0.1_maxiter_200_mod2nd_abs_opt_cgn_tol_0.1',
    'pch-clip':
      'exp09_c3d3_optimization/cvp/act_sigmoid_alpha_0.01_atol_0.0_batch_500_lr_0.1_maxiter_200_mod2nd_clip_opt_cgn_tol_0.1',
    ggn: 'exp09_c3d3_optimization/cvp/act_sigmoid_alpha_0.001_atol_0.0_batch_500_lr_0.05_maxiter_200_mod2nd_zero_opt_cgn_tol_0.1',
  },
};

describe('folder names', () => {
  it.each(Object.entries(published))('%s: every variant has the published one', (experiment, expected) => {
    const variants = variantsOf(loadExperiment(experiment, { experimentsDir }));
    expect(Object.fromEntries(variants.map((variant) => [variant.name, runPath(experiment, variant)]))).toEqual(
      expected,
    );
  });

  it('say what differs from the published runs', () => {
    const abs = variantOf('exp01', 'cg-pch-abs');
    const name = runDirName('exp01', {
      ...abs,
      model: { network: 'mlp-cifar10', activation: 'relu' },
      optimizer: { ...abs.optimizer, blocks: 3, solver: 'plain', reorthogonalize: true } as OptimizerSpec,
    });
    expect(name).toBe(
      'act_relu_alpha_0.02_atol_0_batch_500_blocks_3_lr_0.1_maxiter_50_mod2nd_abs_opt_cgn_reorth_True_solver_plain_tol_0.1',
    );
    const adam = variantOf('exp08', 'adam');
    expect(runDirName('exp08', { ...adam, optimizer: { ...adam.optimizer, eps: 1e-5 } as OptimizerSpec })).toBe(
      'act_sigmoid_b1_0.9_b2_0.999_batch_100_eps_1e-05_lr_0.001_opt_adam',
    );
  });

  it('tell the variants of other experiments apart', () => {
    const mine = experimentSchema.parse({
      ...{ name: 'mine', title: 'Mine', dataset: 'cifar10', model: { hidden: [256, 64] }, batchSize: 10 },
      ...{ testBatchSize: 10, epochs: 1, seeds: 0, quick: { epochs: 1, trainSamples: 1, testSamples: 1, seeds: 0 } },
      variants: {
        short: { label: 'a', optimizer: { kind: 'sgd', lr: 1 } },
        long: { label: 'b', optimizer: { kind: 'sgd', lr: 1 }, epochs: 100 },
        hbp: { label: 'c', optimizer: { kind: 'cg-newton', secondOrder: 'none', lr: 1, alpha: 0, tol: 0, maxiter: 5 } },
      },
    });
    expect(variantsOf(mine).map((variant) => runPath('mine', variant))).toEqual([
      'mine/sgd/act_sigmoid_batch_10_hidden_256-64_lr_1.0_mom_0.0_opt_sgd_variant_short',
      'mine/sgd/act_sigmoid_batch_10_hidden_256-64_lr_1.0_mom_0.0_opt_sgd_variant_long',
      'mine/hbp/act_sigmoid_alpha_0.0_atol_0.0_batch_10_hidden_256-64_lr_1.0_maxiter_5_mod2nd_none_opt_cgn_tol_0.0_variant_hbp',
    ]);
    expect(experimentDir('exp09', { kind: 'kfac' } as OptimizerSpec)).toBe('exp09_c3d3_optimization/kfac');
  });

  it.each([
    [1e-4, '0.0001'],
    [0.1, '0.1'],
    [1, '1.0'],
    [10, '10.0'],
    [0, '0.0'],
    [-0, '-0.0'],
    [1e-5, '1e-05'],
    [1.5e-7, '1.5e-07'],
    [0.00012345, '0.00012345'],
    [9999999999999998, '9999999999999998.0'],
    [1e16, '1e+16'],
    [123456789012345680, '1.2345678901234568e+17'],
    [1e300, '1e+300'],
    [NaN, 'nan'],
    [-Infinity, '-inf'],
  ])('Python writes %d as %s', (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });

  it('compare with numbers in any spelling', () => {
    expect(normalizedRunName('atol_0.0_lr_1e-04_mom_.9x_opt_cgn')).toBe('atol_0_lr_0.0001_mom_.9x_opt_cgn');
    expect(normalizedRunName('lr_1.0')).toBe(normalizedRunName('lr_1'));
    expect(normalizedRunName('lr_1.0')).not.toBe(normalizedRunName('lr_10'));
  });

  it.each([
    ['seed0', 0],
    ['seed12', 12],
    ['seed', undefined],
    ['seed-1', undefined],
    ['xseed1', undefined],
  ])('%s is the seed %p', (name, seed) => {
    expect(seedOfName(name)).toBe(seed);
  });
});
