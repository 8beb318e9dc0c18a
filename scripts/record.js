/**
 * Copies rows and record of finished runs of data/runs into data/original, the recorded set that ships, without what
 * belongs to the machine they ran on: host name, process, folders.
 *
 *   node scripts/record.js [runs folder]
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [from = 'data/runs'] = process.argv.slice(2);
const to = 'data/original';

for (const entry of readdirSync(from, { recursive: true })) {
  if (basename(entry) !== 'run.json') continue;
  const record = JSON.parse(readFileSync(join(from, entry), 'utf8'));
  if (record.state !== 'done') continue;
  const dir = join(entry, '..');
  cpSync(join(from, dir, 'metrics.csv'), join(to, dir, 'metrics.csv'));
  const dataset = { ...record.dataset, source: basename(record.dataset.source) };
  const owner = { pid: 1, host: 'recorded', started: null };
  writeFileSync(join(to, entry), `${JSON.stringify({ ...record, dataset, owner }, null, 2)}\n`);
  console.log(join(to, dir));
}
