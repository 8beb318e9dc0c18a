import { type Eigh, eigh as defaultEigh } from '../linalg/eigh.js';
import { gram } from '../linalg/gram.js';
import type { Gradients } from '../nn/backward.js';
import type { Sequential, Trace } from '../nn/sequential.js';
import { checkSupport } from '../support.js';
import * as tf from '../tf.js';
import { type KroneckerLayer, kroneckerLayers } from './kronecker-layer.js';
import { Sgd } from './sgd.js';
import { behind, numberIn, type State, type Stateful, under } from './state.js';

/** Hyper-parameters of K-FAC and EKFAC; what stands in a comment is the value if absent. */
export interface KfacOptions {
  /** Learning rate, the factor of the step. */
  readonly lr: number;
  /** 0.9 */
  readonly momentum?: number;
  /** Weight of the past in the running averages of factors and scales; 0.95. */
  readonly statDecay?: number;
  /** Added to the curvature's eigenvalues; 0.001. */
  readonly damping?: number;
  /** Bound on sum(direction * gradient) lr^2, see `KfacScaling`; 0.001. */
  readonly klClip?: number;
  /** Factor of the parameter that is added to its direction, from step 20 TCov on; 0. */
  readonly weightDecay?: number;
  /** Steps between updates of the factors; 10. */
  readonly TCov?: number;
  /** Steps between eigendecompositions; 100. */
  readonly TInv?: number;
  /** Eigenvalue correction (EKFAC); absent: K-FAC. */
  readonly ekfac?: EkfacOptions;
  /** Who decomposes the factors. */
  readonly eigh?: Eigh;
}

/** How the eigenvalues are corrected. */
export interface EkfacOptions {
  /** Steps between updates of the scales; 10. */
  readonly TScal?: number;
  /**
   * `corrected`, the default, estimates the scales in the eigenbasis in which they are used. `as-published` multiplies
   * with the transposed eigenvectors instead, as the published code does; its result depends on the eigenvectors' signs.
   */
  readonly scaleVariant?: 'corrected' | 'as-published';
}

/** How the directions of a step were scaled; both scalars are the caller's to dispose. */
export interface KfacScaling {
  /** sum(direction * gradient) lr^2 over all layers */
  readonly klSum: tf.Tensor;
  /** min(1, sqrt(klClip / klSum)), the factor of all directions */
  readonly nu: tf.Tensor;
}

/** Of the inputs, A [i, i], and of the output gradients, G [o, o]. */
interface Factors {
  readonly inputs: tf.Tensor;
  readonly outputs: tf.Tensor;
}

/** Eigenvectors of the factors, one a column, and the curvature's eigenvalues in their basis, [o, i]. */
interface Eigenbasis extends Factors {
  readonly scales: tf.Tensor;
  /** scales + damping: what every step divides by. */
  readonly damped: tf.Tensor;
}

/** Eigenvalues up to this count as zero. */
const smallestEigenvalue = 1e-10;

/**
 * K-FAC (Martens and Grosse, arXiv 1503.05671; convolutions Grosse and Martens, arXiv 1602.01407) and EKFAC (George et
 * al., arXiv 1806.03884) in the form of the published experiments.
 *
 * For a layer M = [weight | bias] with inputs a and gradients g of the mean loss, N samples with S positions each:
 * A = sum a a^T / (S^2 N) and G = N S sum g g^T over samples and positions, as running averages that start at the
 * identity. The direction is (G (x) A + damping I)^-1 applied to the gradient, in the eigenbases of A and G. EKFAC
 * replaces the products of eigenvalues by a running average of the squared per-sample gradients in these bases.
 * Directions are scaled by nu (`KfacScaling`) and then followed by momentum as in `Sgd`.
 */
export class Kfac implements Stateful {
  readonly #options: Required<Omit<KfacOptions, 'ekfac'>>;
  readonly #ekfac: Required<EkfacOptions> | null;
  readonly #sgd: Sgd;
  readonly #factors = new Map<string, Factors>();
  readonly #bases = new Map<string, Eigenbasis>();
  #step = 0;

  constructor({ ekfac, ...options }: KfacOptions) {
    this.#options = {
      momentum: 0.9,
      statDecay: 0.95,
      damping: 0.001,
      klClip: 0.001,
      weightDecay: 0,
      TCov: 10,
      TInv: 100,
      eigh: defaultEigh,
      ...options,
    };
    this.#ekfac = ekfac ? { TScal: 10, scaleVariant: 'corrected', ...ekfac } : null;
    this.#sgd = new Sgd({ lr: options.lr, momentum: this.#options.momentum });
  }

  /**
   * One step.
   *
   * @param trace      a forward pass; stays the caller's
   * @param gradients  of the mean loss of this pass; stay the caller's
   * @throws ConfigError  a layer with parameters that K-FAC does not know
   * @throws DivergenceError  a factor is not finite
   */
  async update(model: Sequential, trace: Trace, gradients: Gradients): Promise<KfacScaling> {
    const { TCov, TInv } = this.#options;
    if (this.#step === 0) checkSupport(model, ['kfac']);
    const step = this.#step++;
    const layers = kroneckerLayers(model, trace, gradients);
    for (const layer of layers) {
      if (step % TCov === 0) this.#updateFactors(layer);
      if (step % TInv === 0) await this.#renewBasis(layer);
      if (this.#ekfac && step > 0 && step % this.#ekfac.TScal === 0) this.#updateScales(layer, this.#ekfac);
    }
    return tf.scoped(() => this.#descend(model, layers, step));
  }

  /** The running averages of a layer's factors, by place of the layer; they stay the optimiser's. */
  get factors(): ReadonlyMap<string, Factors> {
    return this.#factors;
  }

  /** Eigenbases and scales, by place of the layer; they stay the optimiser's. */
  get bases(): ReadonlyMap<string, Eigenbasis> {
    return this.#bases;
  }

  #updateFactors(layer: KroneckerLayer): void {
    const { path, samples, positions, rows, columns } = layer;
    const previous = this.#factors.get(path);
    const next = tf.scoped(() => ({
      inputs: this.#average(
        previous?.inputs ?? tf.eye(columns),
        layer.inputProducts(),
        1 / (positions * positions * samples),
      ),
      outputs: this.#average(previous?.outputs ?? tf.eye(rows), gram(layer.outputGradients()), samples * positions),
    }));
    replace(this.#factors, path, next);
  }

  async #renewBasis({ path }: KroneckerLayer): Promise<void> {
    const { inputs, outputs } = this.#factors.get(path)!;
    const { eigh } = this.#options;
    const [a, g] = [await eigh(inputs), await eigh(outputs)];
    const scaling = tf.scoped(() =>
      this.#scaling(tf.mul(tf.reshape(nonNegligible(g.values), [-1, 1]), nonNegligible(a.values))),
    );
    tf.dispose([a.values, g.values]);
    replace(this.#bases, path, { inputs: a.vectors, outputs: g.vectors, ...scaling });
  }

  /** scales = average of the mean over samples of (U_g^T (gradient of the sample) U_a)^2 */
  #updateScales(layer: KroneckerLayer, { scaleVariant }: Required<EkfacOptions>): void {
    const { path, samples, positions } = layer;
    const { scales, damped, ...basis } = this.#bases.get(path)!;
    const next = tf.scoped(() => {
      const transposed = scaleVariant === 'as-published';
      const a = tf.matMul(layer.inputs(), basis.inputs, false, transposed);
      const g = tf.matMul(layer.outputGradients(), basis.outputs, false, transposed);
      return this.#scaling(this.#average(scales, squaredGradients(g, a, samples, positions), samples));
    });
    tf.dispose([scales, damped]);
    this.#bases.set(path, { ...basis, scales: tf.keep(next.scales), damped: tf.keep(next.damped) });
  }

  #scaling(scales: tf.Tensor): Pick<Eigenbasis, 'scales' | 'damped'> {
    return { scales, damped: tf.add(scales, this.#options.damping) };
  }

  #descend(model: Sequential, layers: readonly KroneckerLayer[], step: number): KfacScaling {
    const { lr, klClip, weightDecay, TCov } = this.#options;
    const gradients = layers.map((layer) => layer.gradient());
    const directions = layers.map(({ path }, l) => this.#precondition(gradients[l]!, this.#bases.get(path)!));
    const products = directions.map((direction, l) => tf.sum(tf.mul(direction, gradients[l]!)));
    const klSum = tf.mul(
      lr * lr,
      products.reduce((sum, product) => tf.add(sum, product)),
    );
    // Vanishing gradients divide by zero, which leaves nu = 1.
    const nu = tf.minimum(tf.sqrt(tf.div(klClip, klSum)), 1);
    const scaled: Record<string, tf.Tensor> = {};
    layers.forEach((layer, l) => Object.assign(scaled, layer.toParameters(tf.mul(nu, directions[l]!))));
    if (weightDecay !== 0 && step >= 20 * TCov) {
      for (const { path, parameter } of model.parameters) {
        scaled[path] = tf.add(scaled[path]!, tf.mul(weightDecay, parameter.value));
      }
    }
    this.#sgd.update(model.parameters, scaled);
    return { klSum, nu };
  }

  /** U_g ((U_g^T gradient U_a) / (scales + damping)) U_a^T */
  #precondition(gradient: tf.Tensor, { inputs, outputs, damped }: Eigenbasis): tf.Tensor {
    const rotated = tf.matMul(tf.matMul(outputs, gradient, true, false), inputs);
    const solved = tf.div(rotated, damped);
    return tf.matMul(tf.matMul(outputs, solved), inputs, false, true);
  }

  /** The running average after factor * next. */
  #average(previous: tf.Tensor, next: tf.Tensor, factor: number): tf.Tensor {
    const { statDecay } = this.#options;
    return tf.add(tf.mul(statDecay, previous), tf.mul((1 - statDecay) * factor, next));
  }

  /** Factors, eigenbases with their scales, momentum, and the number of steps taken; damped scales follow from these. */
  state(): State {
    return {
      tensors: {
        ...under('momentum', this.#sgd.state().tensors),
        ...byPart('factors', this.#factors, ['inputs', 'outputs']),
        ...byPart('bases', this.#bases, ['inputs', 'outputs', 'scales']),
      },
      numbers: { step: this.#step },
    };
  }

  restore(state: State): void {
    this.dispose();
    const { tensors } = state;
    this.#sgd.restore({ tensors: behind('momentum', tensors), numbers: {} });
    const factors = byPlace('factors', tensors, ['inputs', 'outputs']);
    for (const [path, found] of factors) replace(this.#factors, path, found);
    for (const [path, { scales, ...basis }] of byPlace('bases', tensors, ['inputs', 'outputs', 'scales'])) {
      replace(this.#bases, path, { ...basis, ...tf.scoped(() => this.#scaling(scales)) });
    }
    this.#step = numberIn(state, 'step');
  }

  /** Free factors, eigenbases and momentum, and start again at step 0. */
  dispose(): void {
    for (const tensors of [...this.#factors.values(), ...this.#bases.values()]) tf.dispose({ ...tensors });
    this.#factors.clear();
    this.#bases.clear();
    this.#sgd.dispose();
    this.#step = 0;
  }
}

/** sum_n (sum_s g_ns a_ns^T)^2, [o, i], from rows g [N S, o] and a [N S, i]. */
function squaredGradients(g: tf.Tensor, a: tf.Tensor, samples: number, positions: number): tf.Tensor {
  if (positions === 1) return tf.matMul(tf.square(g), tf.square(a), true, false);
  const perSample = (rows: tf.Tensor): tf.Tensor => tf.reshape(rows, [samples, positions, -1]);
  return tf.sum(tf.square(tf.matMul(perSample(g), perSample(a), true, false)), 0);
}

function nonNegligible(values: tf.Tensor): tf.Tensor {
  return tf.where(tf.greater(values, smallestEigenvalue), values, tf.zerosLike(values));
}

function replace<T extends Factors>(map: Map<string, T>, path: string, next: T): void {
  const previous = map.get(path);
  if (previous) tf.dispose(Object.values(previous) as tf.Tensor[]);
  for (const tensor of Object.values(next) as tf.Tensor[]) tf.keep(tensor);
  map.set(path, next);
}

/** `name.inputs.<place>`, `name.outputs.<place>` and so on, of every layer. */
function byPart<P extends string>(
  name: string,
  layers: ReadonlyMap<string, Readonly<Record<P, tf.Tensor>>>,
  parts: readonly P[],
): Record<string, tf.Tensor> {
  return Object.fromEntries(
    [...layers].flatMap(([path, tensors]) => parts.map((part) => [`${name}.${part}.${path}`, tensors[part]] as const)),
  );
}

/** The way back from `byPart`. */
function byPlace<P extends string>(
  name: string,
  tensors: Readonly<Record<string, tf.Tensor>>,
  parts: readonly P[],
): Map<string, Record<P, tf.Tensor>> {
  const of = (part: P): Record<string, tf.Tensor> => behind(`${name}.${part}`, tensors);
  const [first] = parts;
  return new Map(
    Object.keys(first ? of(first) : {}).map((path) => {
      const found = parts.map((part) => {
        const tensor = of(part)[path];
        if (!tensor) throw new RangeError(`a state without ${name}.${part}.${path}: it is not whole`);
        return [part, tensor] as const;
      });
      return [path, Object.fromEntries(found) as Record<P, tf.Tensor>];
    }),
  );
}
