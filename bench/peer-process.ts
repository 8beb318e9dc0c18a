/** A long-lived process that answers requests, so that its measurements alternate with ours. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds for the last words of a process that has closed its output. */
const patience = 2000;

/** One line is asked, one line answered: "ok <value>" or "error <why>". */
export class PeerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  /** Resolves when it has ended and all that it wrote has arrived. */
  readonly #closed: Promise<void>;
  /** The end of what it wrote to standard error. */
  #complaints = '';

  constructor(command: string, args: readonly string[], threads: number) {
    const count = String(threads);
    // The peers' own waiting policies stay: they are measured as they come.
    const env = { ...process.env, OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
    delete (env as NodeJS.ProcessEnv)['OMP_WAIT_POLICY'];
    this.#child = spawn(command, args, { env });
    this.#closed = new Promise((resolve) => this.#child.once('close', () => resolve()));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-2000);
    });
    // A process that cannot start or has ended shows in the missing answer.
    this.#child.on('error', (error) => (this.#complaints += error.message));
    this.#child.stdin.on('error', () => undefined);
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error  the peer refuses, or has ended; with what it said */
  async ask(request: string): Promise<string> {
    this.#child.stdin.write(`${request}\n`);
    const answer = await this.#answers.next();
    if (answer.done) {
      await Promise.race([this.#closed, wait(patience, undefined, { ref: false })]);
      throw new Error(`the peer ended without an answer to "${request}": ${lastLine(this.#complaints)}`);
    }
    const [, status, text = ''] = /^(ok|error) ?(.*)$/.exec(answer.value) ?? [];
    if (status === 'ok') return text;
    throw new Error(`the peer cannot answer "${request}": ${status === 'error' ? text : answer.value}`);
  }

  /** Seconds, or whatever number the request is for. */
  async askNumber(request: string): Promise<number> {
    const text = await this.ask(request);
    const value = Number(text);
    if (text === '' || !Number.isFinite(value)) throw new Error(`the peer answered "${request}" by "${text}"`);
    return value;
  }

  /** Ends the process by ending its input. */
  stop(): void {
    this.#child.stdin.end();
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
