/** Slurm's commands as small programs that say what a test wants, and write down how they were called. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface StandIn {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
}

/** Puts the commands, and no others, into a folder that is the PATH until the test has ended. */
export class StandIns {
  readonly #dir: string;
  readonly #path = process.env['PATH'];

  constructor(folder: string) {
    this.#dir = join(folder, 'bin');
    mkdirSync(this.#dir);
    process.env['PATH'] = this.#dir;
  }

  set(command: string, { stdout = '', stderr = '', code = 0 }: StandIn): void {
    const file = join(this.#dir, command);
    const log = join(this.#dir, `${command}.calls`);
    writeFileSync(`${file}.stdout`, stdout);
    writeFileSync(`${file}.stderr`, stderr);
    const script = [
      '#!/bin/sh',
      `PATH='${['/usr/bin', '/bin'].join(delimiter)}'`,
      `echo "$*" >> '${log}'`,
      `cat '${file}.stdout'`,
      `cat '${file}.stderr' >&2`,
      `exit ${code}`,
    ];
    writeFileSync(file, script.join('\n'));
    chmodSync(file, 0o755);
  }

  /** The arguments of each call so far. */
  calls(command: string): string[] {
    const log = join(this.#dir, `${command}.calls`);
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  }

  restore(): void {
    process.env['PATH'] = this.#path;
  }
}
