/** Both sides of a comparison: processes that take a task and answer for its steps. */
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../dist/errors.js';
import { PeerProcess } from '../peer-process.js';
import { pythons } from '../peers.js';
import type { LayerSizes } from './layers.js';
import type { Allocation, StepTimes, TaskSpec } from './step-task.js';

export interface StepAnswer extends StepTimes {
  /** Resident memory of the process, at most so far. */
  readonly peakBytes: number;
}

const main = fileURLToPath(new URL('../main.js', import.meta.url));
const script = fileURLToPath(new URL('../../bench/peers/reference.py', import.meta.url));

/** What both sides can do. */
class StepPeer {
  constructor(
    protected readonly process: PeerProcess,
    readonly info: string,
  ) {}

  /** @param file  for the parameters after the first step */
  async step(count: number, file?: string): Promise<StepAnswer> {
    return JSON.parse(await this.process.ask(`step ${count}${file === undefined ? '' : ` ${file}`}`)) as StepAnswer;
  }

  stop(): void {
    this.process.stop();
  }
}

export class OurSteps extends StepPeer {
  static async start(backend: string, threads: number): Promise<OurSteps> {
    const args = ['serve-steps', '--backend', backend, '--threads', String(threads)];
    const peer = new PeerProcess(process.execPath, [main, ...args], threads);
    return new OurSteps(peer, await peer.ask('info'));
  }

  async task(spec: TaskSpec): Promise<void> {
    await this.process.ask(`task ${JSON.stringify(spec)}`);
  }

  async layers(): Promise<LayerSizes[]> {
    return JSON.parse(await this.process.ask('layers')) as LayerSizes[];
  }

  async writeParameters(file: string): Promise<void> {
    await this.process.ask(`parameters ${file}`);
  }

  async allocation(): Promise<Allocation> {
    return JSON.parse(await this.process.ask('allocation')) as Allocation;
  }
}

export class ReferenceSteps extends StepPeer {
  /**
   * @param directory  a checkout of the published code
   * @throws Error     no Python here can run it
   */
  static async start(directory: string, threads: number, device: string): Promise<ReferenceSteps> {
    const reasons: string[] = [];
    for (const python of pythons()) {
      const peer = new PeerProcess(python, [script, directory, String(threads), device], threads);
      try {
        return new ReferenceSteps(peer, await peer.ask('info'));
      } catch (error) {
        peer.stop();
        reasons.push(`${python}: ${messageOf(error)}`);
      }
    }
    throw new Error(reasons.join('; '));
  }

  /** Only the networks of the experiments, and only with parameters from a file. */
  async task({ model, ...spec }: TaskSpec): Promise<void> {
    const { network, activation } =
      typeof model === 'string'
        ? { network: model, activation: 'sigmoid' }
        : 'network' in model
          ? model
          : { network: undefined, activation: undefined };
    if (network === undefined) throw new Error('the reference has the networks of the experiments only');
    await this.process.ask(`task ${JSON.stringify({ model: network, activation, ...spec })}`);
  }
}
