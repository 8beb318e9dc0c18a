import { uniformTensor, type UniformSource } from '../random.js';
import * as tf from '../tf.js';
import { ElementwiseLoss } from './elementwise-loss.js';

type BceSaved = { readonly logits: tf.Tensor; readonly target: tf.Tensor };

/**
 * Binary cross-entropy of probabilities s = sigmoid(z) with targets y in [0, 1]:
 * l = -y log s - (1 - y) log(1 - s) = max(z, 0) - y z + log(1 + exp(-|z|)), l' = s - y, l'' = s (1 - s); the mean divides
 * by N C.
 */
export class BceWithLogits extends ElementwiseLoss<BceSaved> {
  protected override readonly name = 'BCE with logits';

  protected override terms(logits: tf.Tensor, target: tf.Tensor): { terms: tf.Tensor; saved: BceSaved } {
    const tail = tf.log1p(tf.exp(tf.neg(tf.abs(logits))));
    const terms = tf.add(tf.sub(tf.relu(logits), tf.mul(target, logits)), tail);
    return { terms, saved: { logits, target } };
  }

  protected override first({ logits, target }: BceSaved): tf.Tensor {
    return tf.sub(tf.sigmoid(logits), target);
  }

  /** 1 - s as sigmoid(-z): the difference would be 0 from z = 17 on. */
  protected override second({ logits }: BceSaved): tf.Tensor {
    return tf.mul(tf.sigmoid(logits), tf.sigmoid(tf.neg(logits)));
  }

  /** y = 1 with probability s, else 0; l' = s - y. */
  protected override sampledFirst({ logits }: BceSaved, samples: number, random: UniformSource): tf.Tensor {
    const probability = tf.expandDims(tf.sigmoid(logits), 2);
    const draws = tf.add(uniformTensor([...logits.shape, samples], 0.5, random), 0.5);
    return tf.sub(probability, tf.cast(tf.greater(probability, draws), 'float32'));
  }
}
