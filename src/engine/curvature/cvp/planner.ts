import type { CgReport } from '../../optim/cg.js';
import type { State, Stateful } from '../../optim/state.js';
import { type BlockSizes, cheapestRoute, costsOf, type Route, type RouteCost } from './routes.js';

/** What bounds or forces the choice of a planner. */
export interface PlannerOptions {
  /** Bytes that one block's matrices may take; 1 GiB if absent. */
  readonly memoryLimit?: number;
  /** One way for all blocks that know it; absent: the cheapest for each. */
  readonly route?: Route;
}

/** How a block is to be multiplied. */
export interface Plan {
  readonly route: Route;
  readonly costs: Partial<Record<Route, RouteCost>>;
  /** Products that it was chosen for. */
  readonly products: number;
  /** Whether another way may be taken when there turn out to be more products. */
  readonly forced: boolean;
  readonly memoryLimit: number;
}

/** Before anything is known of a block. */
const firstGuess = 2;

/**
 * Chooses the ways of Gauss-Newton products (see `routes.ts`), step after step: the number of products that a block will
 * take is about what it took the step before.
 */
export class Planner implements Stateful {
  readonly #counts = new Map<string, number>();
  readonly #routes = new Map<string, Route>();

  constructor(private readonly options: PlannerOptions = {}) {}

  /** Bytes that one block's matrices may take. */
  get memoryLimit(): number {
    return this.options.memoryLimit ?? 2 ** 30;
  }

  /** Whether one way is taken whatever it costs. */
  get isForced(): boolean {
    return this.options.route !== undefined;
  }

  /** How many products a block will take, about. */
  products(path: string): number {
    return this.#counts.get(path) ?? firstGuess;
  }

  /** Take note that a block goes through the network to the factor of a later layer. */
  noteCut(path: string): void {
    this.#routes.set(path, 'chain');
  }

  /** How the block of the parameter at `path` is to be multiplied this time; remembered in `routes`. */
  plan(path: string, sizes: BlockSizes): Plan {
    const { memoryLimit } = this;
    const { route } = this.options;
    const costs = costsOf(sizes);
    const products = this.products(path);
    const forced = route !== undefined && (route === 'chain' || costs[route] !== undefined);
    const chosen = forced ? route : cheapestRoute(costs, products, memoryLimit);
    const plan = { route: chosen, costs, products, forced, memoryLimit };
    this.#routes.set(path, chosen);
    return plan;
  }

  /** Take note of how many iterations the blocks took. */
  record(reports: Readonly<Record<string, readonly CgReport[]>>): void {
    for (const [path, blocks] of Object.entries(reports)) {
      this.#counts.set(path, Math.max(1, ...blocks.map(({ iterations }) => iterations)));
    }
  }

  /** The numbers of products by place: the ways that they lead to differ in rounding. */
  state(): State {
    return { tensors: {}, numbers: Object.fromEntries(this.#counts) };
  }

  restore({ numbers }: State): void {
    this.#counts.clear();
    for (const [path, count] of Object.entries(numbers)) this.#counts.set(path, count);
  }

  /** What was chosen last, by place: for a log. */
  get routes(): Readonly<Record<string, Route>> {
    return Object.fromEntries(this.#routes);
  }
}
