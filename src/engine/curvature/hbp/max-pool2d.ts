import type { MaxPool2d, MaxPoolSaved } from '../../nn/max-pool2d.js';
import { onPictures } from '../../nn/leading.js';
import { spreadCells, windowCells } from '../../nn/unfold.js';
import * as tf from '../../tf.js';
import { poolingWorkspace, sandwich } from './constant-jacobian.js';
import type { HbpContext, HbpRule, Sizes } from './rule.js';

/**
 * H_x = J^T H J with the batch mean J of the zeros and ones that say which cell each window chose; or, if the Jacobian
 * is not averaged, E[J_n^T H J_n] = sum_kl S_k^T (H * E[m_k m_l^T]) S_l, where m_k says in which windows a sample chose
 * cell k and S_k cuts cell k out of every window.
 */
export const maxPoolRule = {
  inputHessian({ layer, saved, outputHessian, options }: HbpContext<MaxPool2d, MaxPoolSaved>) {
    const placement = layer.place(saved.input);
    const masks = layer.masks(saved);
    const [samples = 0, ...windows] = saved.chosen.shape;
    const onWindows = (rows: tf.Tensor): tf.Tensor => tf.reshape(rows, [-1, ...windows]);
    if (options.averageInputJacobian) {
      const shares = masks.map((mask) => tf.mean(mask, 0));
      return sandwich(outputHessian, (rows) =>
        spreadCells(
          shares.map((share) => tf.mul(onWindows(rows), share)),
          placement,
        ),
      );
    }
    const choices = masks.map((mask) => tf.reshape(mask, [samples, -1]));
    const halves = choices.map((choice) =>
      tf.scoped(() => {
        const scaled = tf.div(choice, samples);
        const cells = choices.map((other) => onWindows(tf.mul(outputHessian, tf.matMul(scaled, other, true, false))));
        const half = spreadCells(cells, placement);
        return onWindows(tf.transpose(tf.reshape(half, [half.shape[0] ?? 0, -1])));
      }),
    );
    const hessian = spreadCells(halves, placement);
    return tf.reshape(hessian, [hessian.shape[0] ?? 0, -1]);
  },
  averagedStage({ layer, saved }: Omit<HbpContext<MaxPool2d, MaxPoolSaved>, 'outputHessian'>) {
    const placement = layer.place(saved.input);
    const shares = tf.scoped(() => layer.masks(saved).map((mask) => tf.keep(tf.mean(mask, 0, true))));
    return {
      forward: (t) =>
        onPictures(t, (pictures) =>
          windowCells(pictures, placement)
            .map((cell, k) => tf.mul(cell, shares[k]!))
            .reduce((sum, term) => tf.add(sum, term)),
        ),
      backward: (u) =>
        onPictures(u, (pictures) =>
          spreadCells(
            shares.map((share) => tf.mul(pictures, share)),
            placement,
          ),
        ),
      hasResidual: false,
      dispose: () => tf.dispose(shares),
    };
  },
  /** Every cell of the windows has a matrix of its own. */
  workspace: (sizes: Sizes, { cells }: MaxPool2d) => poolingWorkspace(sizes, cells),
} satisfies HbpRule;
