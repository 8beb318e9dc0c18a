import { Comparison } from '../golden-runner/comparison.js';
import { runTraining } from '../golden-runner/training.js';
import { describeOnEveryBackend, expectNoLeak, partOn } from '../support/backends.js';
import { readGolden, toleranceOf } from '../support/golden.js';

const oneOfEachOptimizer = [
  'train_sgd_mlp',
  'train_adam_mlp',
  'train_kfac_mlp',
  'train_ekfac_mlp_corrected',
  'train_ekfac_mlp_as_published',
  'train_cgn_hbp_mlp_abs',
  'train_cgn_hbp_mlp_clip_blocks4',
];

/** Where a part is taken, one variant of each optimiser. */
const variants = ['train_ekfac_mlp_as_published', 'train_cgn_hbp_mlp_clip_blocks4'];

describeOnEveryBackend('training', (backend) => {
  it.each(partOn(backend, oneOfEachOptimizer, (name) => !variants.includes(name)))(
    '%s follows the reference and leaves no tensors',
    async (name) => {
      const golden = readGolden<never, never, never>(name);
      await expectNoLeak(async () => {
        const comparison = new Comparison(toleranceOf(golden));
        await runTraining(golden, comparison);
        expect(comparison.failures).toEqual([]);
      });
    },
  );
});
