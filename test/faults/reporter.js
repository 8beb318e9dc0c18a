/** For `npm run test:faults`: the table of all families, as Markdown. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default class FaultReporter {
  #folder = mkdtempSync(join(tmpdir(), 'hbp-faults-'));

  constructor() {
    process.env.HBP_FAULTS_OUT = this.#folder; // before the processes of the tests are started
  }

  onRunComplete() {
    const families = readdirSync(this.#folder).sort();
    const rows = families.flatMap((file) => JSON.parse(readFileSync(join(this.#folder, file), 'utf8')));
    rmSync(this.#folder, { recursive: true });
    const sum = (count) => rows.reduce((total, row) => total + count(row), 0);
    const total = { fault: '**all**', tries: sum((row) => row.tries), survived: sum((row) => row.survived) };
    const lines = [...rows, total].map(lineOf);
    const head = ['| fault | tries | survived | lost |', '| --- | --: | --: | --: |'];
    process.stdout.write(`\n${[...head, ...lines].join('\n')}\n`);
  }
}

function lineOf({ fault, tries, survived, notRun }) {
  return `| ${fault} | ${notRun ? `not run: ${notRun} | |` : `${tries} | ${survived} | ${tries - survived}`} |`;
}
