/**
 * The fault matrix: every fault is tried several times, and each try must end in a correct result or one clear line, with
 * nothing harmed that was finished. `npm run test:faults` is the long form and prints the table; `npm test` holds the short one.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { messageOf } from '../../src/errors.js';
import { type Random, randomOf } from '../../src/lab/random.js';

const { HBP_FAULTS: form, HBP_FAULTS_SEED: seed = '0', HBP_FAULTS_OUT: outDir } = process.env;
export const isLong = form === 'long';

/** A line of the table. */
export interface FaultRow {
  readonly fault: string;
  readonly tries: number;
  readonly survived: number;
  /** Why it was not tried here; null: it was. */
  readonly notRun: string | null;
}

export interface Tries {
  readonly short: number;
  readonly long: number;
}

/** One try; it throws if something is lost. The same seed and index give the same draws. */
export type Attempt = (random: Random, index: number) => Promise<void> | void;

/** A fault of the family, as a test. `notRun`: why this machine cannot be made to have it. */
export type DefineFault = (fault: string, tries: Tries, attempt: Attempt, notRun?: string | null) => void;

/** Room for a try on a busy machine. */
const tryMs = 120_000;

/** @param family  names the file of results; one a test file */
export function faultsOf(family: string): DefineFault {
  const rows: FaultRow[] = [];
  const report = (row: FaultRow): void => {
    rows.push(row);
    if (outDir) writeFileSync(join(outDir, `${family}.json`), JSON.stringify(rows));
  };
  return (fault, { short, long }, attempt, notRun = null) => {
    const tries = isLong ? long : short;
    it(
      `${fault}${notRun === null ? '' : ` (not run: ${notRun})`}`,
      async () => {
        if (notRun !== null) {
          process.stderr.write(`not run: ${fault}: ${notRun}\n`);
          report({ fault, tries: 0, survived: 0, notRun });
          return;
        }
        const lost: string[] = [];
        for (let i = 0; i < tries; i++) {
          try {
            await attempt(randomFor(fault, i), i);
          } catch (error) {
            lost.push(`try ${i}: ${messageOf(error)}`);
          }
        }
        report({ fault, tries, survived: tries - lost.length, notRun });
        if (lost.length > 0) throw new Error(`${lost.length} of ${tries} lost\n${lost.join('\n')}`);
      },
      tries * tryMs,
    );
  };
}

function randomFor(fault: string, index: number): Random {
  const digest = createHash('sha256').update(`${seed} ${fault} ${index}`).digest();
  return randomOf(xoroshiro128plus(digest.readInt32LE(0)));
}

/** Any of the items. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)]!;
}
