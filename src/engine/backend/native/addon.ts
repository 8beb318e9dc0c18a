import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { BackendError, messageOf } from '../../../errors.js';

type Numbers = Float32Array | Int32Array | Uint8Array;
type Ordinal = number;

/**
 * The native addon (native/src/addon.cc). Operations are called by their position in `names`; shapes go through the
 * array given to `setShapes`, see shapes.ts. It checks nothing.
 */
export interface Addon {
  readonly oneDnn: string;
  /** The instruction set that oneDNN generates code for. */
  readonly oneDnnIsa: string;
  /** The instruction set of the addon's own loops: "avx512", "avx2" or "base". */
  readonly isa: string;
  /** Whether large products and convolutions go to the processor's matrix unit, Intel's AMX. */
  readonly amx: boolean;
  /** File name of the LAPACK library, "" if there is none. */
  readonly lapack: string;
  readonly openMp: boolean;
  readonly names: Readonly<
    Record<'unary' | 'binary' | 'integer' | 'compare' | 'logical' | 'reduce' | 'activation', readonly string[]>
  >;
  setShapes(shapes: Int32Array): void;
  setThreads(threads: number): void;
  threads(): number;
  /** Ask for huge pages; the address modulo 64. */
  prepare(buffer: ArrayBuffer): number;

  unary(op: Ordinal, x: Float32Array, y: Float32Array, n: number, p: number, q: number): void;
  binary(op: Ordinal, a: Float32Array, b: Float32Array, y: Float32Array): void;
  integer(op: Ordinal, a: Int32Array, b: Int32Array, y: Int32Array): void;
  compare(op: Ordinal, a: Float32Array, b: Float32Array, y: Uint8Array): void;
  compareIntegers(op: Ordinal, a: Int32Array, b: Int32Array, y: Uint8Array): void;
  logical(op: Ordinal, a: Uint8Array, b: Uint8Array, y: Uint8Array): void;
  logicalNot(x: Uint8Array, y: Uint8Array, n: number): void;
  isNan(x: Float32Array, y: Uint8Array, n: number): void;
  cast(how: Ordinal, x: Numbers, y: Numbers, n: number): void;
  select(condition: Uint8Array, a: Numbers, b: Numbers, y: Numbers, n: number, bytes: number): void;
  fill(y: Numbers, n: number, value: number): void;
  reduce(
    op: Ordinal,
    x: Float32Array,
    y: Float32Array,
    outer: number,
    length: number,
    inner: number,
    scale: number,
  ): void;
  reduceIntegers(op: Ordinal, x: Int32Array, y: Int32Array, outer: number, length: number, inner: number): void;
  reduceBools(op: Ordinal, x: Uint8Array, y: Uint8Array, outer: number, length: number, inner: number): void;
  argExtreme(largest: boolean, x: Float32Array, y: Int32Array, outer: number, length: number, inner: number): void;
  cumsum(x: Float32Array, y: Float32Array, rows: number, length: number, exclusive: boolean, reverse: boolean): void;
  softmax(x: Float32Array, y: Float32Array, rows: number, length: number, logarithm: boolean): void;
  copy(from: Numbers, fromOffset: number, to: Numbers, toOffset: number, bytes: number): void;
  gather(
    x: Numbers,
    index: Int32Array,
    y: Numbers,
    batch: number,
    outer: number,
    length: number,
    indices: number,
    inner: number,
    bytes: number,
  ): void;
  scatterAdd(x: Float32Array, index: Int32Array, y: Float32Array, indices: number, length: number, inner: number): void;
  oneHot(index: Int32Array, y: Float32Array, n: number, depth: number, on: number, off: number): void;

  maxPool(x: Float32Array, y: Float32Array, chosen: Float32Array | null): void;
  cellPositions(chosen: Float32Array, index: Int32Array, acrossPictures: boolean): void;
  pickCells(x: Float32Array, chosen: Float32Array, y: Float32Array, vectors: number): void;
  spreadCells(dy: Float32Array, chosen: Float32Array, dx: Float32Array, vectors: number): void;
  avgPool(x: Float32Array, y: Float32Array, countPadding: boolean): void;
  avgPoolTransposed(dy: Float32Array, dx: Float32Array, countPadding: boolean): void;

  timesDerivative(phi: Ordinal, y: Float32Array, dy: Float32Array, dx: Float32Array, n: number, vectors: number): void;
  /** y [n, positions, channels]; sums over positions. */
  timesDerivativeWithSums(
    phi: Ordinal,
    y: Float32Array,
    dy: Float32Array,
    dx: Float32Array,
    sums: Float32Array,
    n: number,
    positions: number,
    channels: number,
    vectors: number,
  ): void;
  sgd(
    value: Float32Array,
    gradient: Float32Array,
    buffer: Float32Array | null,
    nextValue: Float32Array,
    nextBuffer: Float32Array | null,
    n: number,
    lr: number,
    momentum: number,
    decay: number,
  ): void;
  adam(
    value: Float32Array,
    gradient: Float32Array,
    first: Float32Array | null,
    second: Float32Array | null,
    nextValue: Float32Array,
    nextFirst: Float32Array,
    nextSecond: Float32Array,
    n: number,
    lr: number,
    w1: number,
    w2: number,
    eps: number,
    decay: number,
  ): void;
  factorProduct(
    factor: Float32Array,
    tangents: Float32Array,
    to: Float32Array,
    rank: number,
    vectors: number,
    samples: number,
    features: number,
  ): void;
  convolvedFactorProduct(
    tangents: readonly Float32Array[],
    results: readonly Float32Array[],
    here: readonly Float32Array[],
    curved: readonly Float32Array[],
    weight: Float32Array,
    factor: Float32Array,
    rank: number,
    before: Float32Array | null,
    activation: number,
  ): void;
  cgDescend(
    r: Float32Array,
    p: Float32Array,
    ap: Float32Array,
    dualP: Float32Array | null,
    metric: Float32Array | null,
    state: Float32Array,
    nextR: Float32Array,
    nextState: Float32Array,
    systems: number,
    n: number,
    stopOnNonPositive: boolean,
  ): void;
  cgTurn(
    x: Float32Array,
    r: Float32Array,
    p: Float32Array,
    dualR: Float32Array | null,
    dualP: Float32Array | null,
    metric: Float32Array | null,
    state: Float32Array,
    nextX: Float32Array,
    nextP: Float32Array,
    nextDualP: Float32Array | null,
    nextState: Float32Array,
    systems: number,
    n: number,
    limit: number,
  ): void;
  /**
   * Conjugate gradients to their ends, in place in `xs`, `rs` and `states`; see native/src/loops/chain.h.
   *
   * @param sizes    of each stage: out, in, 1 for a diagonal or 0
   * @param places   of each system, by the first: stage, number of blocks, rows of a block, coordinates before them
   * @param factors  of each system: alpha, scale, limit
   */
  chainCg(
    stages: readonly Float32Array[],
    residuals: readonly (Float32Array | null)[],
    sizes: Int32Array,
    head: Float32Array,
    classes: number,
    metrics: readonly (Float32Array | null)[],
    xs: readonly Float32Array[],
    rs: readonly Float32Array[],
    states: readonly Float32Array[],
    places: Int32Array,
    factors: Float32Array,
    stopOnNonPositive: boolean,
  ): void;

  projectRows(
    matrix: Float32Array,
    direction: Float32Array,
    along: Float32Array,
    residual: Float32Array,
    rows: number,
    columns: number,
  ): void;
  addRows(
    value: Float32Array,
    matrix: Float32Array,
    direction: Float32Array,
    factors: Float32Array,
    steps: Float32Array,
    next: Float32Array,
    rows: number,
    columns: number,
  ): void;
  derivativeMeans(
    phi: Ordinal,
    y: Float32Array,
    g: Float32Array,
    mean: Float32Array,
    sum: Float32Array,
    samples: number,
    n: number,
  ): void;
  curveLink(
    phi: Ordinal,
    y: Float32Array,
    u: Float32Array,
    residual: Float32Array,
    t: Float32Array,
    to: Float32Array,
    n: number,
    vectors: number,
  ): void;

  /** Integers that the places of one picture take; for a convolution and pooling in the shapes, as the next four. */
  placesSize(): number;
  findPlaces(chosen: Float32Array, places: Int32Array): void;
  /** x null: ones, behind an activation. */
  convolveChosen(
    x: Float32Array | null,
    weights: Float32Array,
    places: Int32Array,
    y: Float32Array,
    xs: number,
    ws: number,
    outputBefore: Float32Array | null,
    activationBefore: Ordinal,
  ): void;
  /** `sums`: dx summed over cells, if not null. */
  convolveTransposedChosen(
    dy: Float32Array,
    weights: Float32Array,
    places: Int32Array,
    dx: Float32Array,
    sums: Float32Array | null,
    vectors: number,
    outputBefore: Float32Array | null,
    activationBefore: Ordinal,
  ): void;
  /** Without places: at all cells. x null: ones, behind an activation. */
  correlateChosen(
    x: Float32Array | null,
    dy: Float32Array,
    places: Int32Array | null,
    dw: Float32Array,
    vectors: number,
    each: boolean,
    outputBefore: Float32Array | null,
    activationBefore: Ordinal,
  ): void;
  rowsProduct(
    matrix: Float32Array,
    v: Float32Array,
    out: Float32Array,
    rows: number,
    columns: number,
    vectors: number,
  ): void;

  matMul(a: Float32Array, b: Float32Array, c: Float32Array, transposeA: boolean, transposeB: boolean): void;
  /** x [n, k], with a further column of ones or without, to x^T x. */
  /** False: not done, make it of the transpose. */
  gramOfRows(x: Float32Array, y: Float32Array, n: number, k: number): boolean;
  gram(x: Float32Array, y: Float32Array, n: number, k: number, ones: boolean): void;
  /** Products of pixels with those up to so many rows and columns away, see native/src/dense.h. */
  shiftProducts(
    x: Float32Array,
    y: Float32Array,
    n: number,
    height: number,
    width: number,
    channels: number,
    rows: number,
    columns: number,
  ): void;
  convolve(x: Float32Array, w: Float32Array, bias: Float32Array | null, y: Float32Array): void;
  /** phi of the same. */
  convolveActivated(x: Float32Array, w: Float32Array, bias: Float32Array | null, y: Float32Array, phi: Ordinal): void;
  convolveBackwardData(dy: Float32Array, w: Float32Array, dx: Float32Array): void;
  convolveBackwardWeights(x: Float32Array, dy: Float32Array, dw: Float32Array): void;
  /** Overwrites the matrix [n, n] by its eigenvectors, one a row; LAPACK's info, 0 for success. */
  symmetricEigen(matrix: Float32Array, values: Float32Array, n: number): number;
}

const build = new URL('../../../../native/build/', import.meta.url);

let loaded: Addon | undefined;

/** In place of functions that the addon lacks, which costs those that it has nothing. */
const lacking = new Proxy(
  {},
  {
    get(_, name) {
      if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined;
      throw new BackendError(
        `the native addon has no ${name}: it was built from other sources; \`make native\` builds it again`,
      );
    },
  },
);

/** @throws Error  in one line: it is not built, and why, or it does not load */
export function loadAddon(): Addon {
  if (loaded) return loaded;
  const file = process.env['HBP_NATIVE_ADDON'] ?? fileURLToPath(new URL('hbp.node', build));
  if (!existsSync(file)) throw new Error(`the native addon is not built${reason()}`);
  try {
    loaded = createRequire(import.meta.url)(file) as Addon;
    Object.setPrototypeOf(loaded, lacking);
  } catch (error) {
    throw new Error(`the native addon does not load: ${messageOf(error)}`, { cause: error });
  }
  return loaded;
}

/** Why the last build failed, from what scripts/build-native.js left behind. */
function reason(): string {
  try {
    const { reason } = JSON.parse(readFileSync(new URL('status.json', build), 'utf8')) as { reason: string | null };
    return reason ? `: ${reason}` : '';
  } catch {
    return '';
  }
}
