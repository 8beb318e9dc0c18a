import pc from 'picocolors';
import type { DiskSpace } from '../../lab/doctor/disk.js';
import type { Report } from '../../lab/doctor/index.js';
import type { Machine } from '../../lab/doctor/machine.js';
import type { Peak } from '../../lab/doctor/peak.js';
import type { BackendReport, Rate } from '../../lab/doctor/verdict.js';
import { print } from '../shared.js';
import { entry } from './layout.js';

/** Green: fine. Yellow: works, but something is worth doing. Red: does not work. The words say the same. */
type Mark = 'green' | 'yellow' | 'red';
const signs = { green: '✔', yellow: '!', red: '✘' } as const;
const paints = { green: pc.green, yellow: pc.yellow, red: pc.red } as const;

const mark = (colour: Mark, word: string): string => paints[colour](`${signs[colour]} ${word}`);

/** Columns: the mark, the name, the text. */
const nameColumn = 12;
const textColumn = 24;

export function printReport(report: Report): void {
  const { machine, backends, datasets, disk } = report;
  print(pc.bold(`hbp ${machine.hbp}`) + pc.dim(' on this machine'));
  printMachine(machine);
  heading('Backends', 'in the order of --backend auto');
  const told = new Set<string>();
  for (const backend of backends) printBackend(backend, told);
  heading('Datasets');
  datasets.forEach(printDataset);
  heading('Disk');
  disk.forEach(printSpace);
  print();
  printVerdict(report);
}

function heading(title: string, aside = ''): void {
  print(`\n${pc.bold(title)}${aside && pc.dim(`  ${aside}`)}`);
}

function row(colour: Mark, word: string, name: string, text: string): void {
  print(entry(`  ${mark(colour, word)}${gapTo(nameColumn, word)}${name}`, text, textColumn));
}

/** Blanks from the end of a mark to a column. */
const gapTo = (column: number, word: string): string => ' '.repeat(Math.max(1, column - word.length - 4));

function more(text: string, paint?: (line: string) => string): void {
  print(entry('', text, textColumn, paint));
}

function printMachine({ node, tfjs, system, arch, processor, peak, memory }: Machine): void {
  const line = (label: string, text: string): void => print(entry(`  ${label}`, text, nameColumn));
  print();
  line('Node', `${node.slice(1)} (${arch}), TensorFlow.js ${tfjs}`);
  line('system', system);
  const { model, cores, threads, available, instructionSets } = processor;
  const spared = available < threads ? `, ${available} of them for hbp` : '';
  line('CPU', `${model}: ${count(cores, 'core')}, ${count(threads, 'thread')}${spared}`);
  if (instructionSets.length > 0) line('', instructionSets.join(' '));
  line('peak', peak ? describePeak(peak) : 'not known for this CPU');
  line('memory', `${bytes(memory.total)}, ${bytes(memory.available)} available`);
}

function describePeak({ gflops, cores, flopPerCycle, units, ghz, clock }: Peak): string {
  const formula = `${count(cores, 'core')} x ${flopPerCycle} FLOP a cycle (${units}) x ${ghz.toFixed(1)} GHz (${clock})`;
  return `about ${gflops.toFixed(0)} GFLOP/s = ${formula}`;
}

const backendMarks = {
  works: ['green', 'works'],
  slow: ['yellow', 'slow'],
  fails: ['red', 'no'],
} as const satisfies Record<BackendReport['state'], [Mark, string]>;

/** @param told  remedies that stand above already */
function printBackend(backend: BackendReport, told: Set<string>): void {
  const { name, state, chosen, reason, remedy, speed } = backend;
  const [colour, word] = backendMarks[state];
  const text = state === 'fails' ? reason : facts(backend);
  row(colour, word, chosen ? pc.bold(name) : name, text ?? '');
  if (speed) more(`matrix product ${rate(speed.matMul)}`);
  if (speed) more(`convolution    ${rate(speed.conv2d)}`);
  if (state !== 'fails' && reason !== null) more(reason, colour === 'yellow' ? pc.yellow : undefined);
  if (remedy !== null && !told.has(remedy)) more(`-> ${remedy}`, pc.cyan);
  if (remedy !== null) told.add(remedy);
}

/** The description and what it does not tell itself. */
function facts({ description, version, isa, threads }: BackendReport): string {
  const told = description ?? '';
  const sets = (isa ?? '').split('/').filter((set) => set !== '' && !told.includes(set));
  return [
    told,
    ...(version === null || told.includes(version) ? [] : [`version ${version}`]),
    ...sets,
    ...(threads === null || threads === 1 || /thread/.test(told) ? [] : [`${threads} threads`]),
  ].join(', ');
}

/** `170 GFLOP/s, 76% of the peak`. */
function rate({ gflops, shareOfPeak }: Rate): string {
  const speed = `${gflops < 10 ? gflops.toPrecision(2) : gflops.toFixed(0)} GFLOP/s`;
  if (shareOfPeak === null) return speed;
  return `${speed.padEnd(12)} ${shareOfPeak < 0.01 ? 'below 1' : (100 * shareOfPeak).toFixed(0)}% of the peak`;
}

function printDataset({ name, location }: Report['datasets'][number]): void {
  const state = location.state;
  const show = (colour: Mark, word: string, text: string): void =>
    print(entry(`  ${mark(colour, word)}${gapTo(nameColumn + 2, word)}${name}`, text, nameColumn + 22));
  switch (state) {
    case 'generated':
      return show('green', 'found', 'made when it is needed');
    case 'complete':
      return show('green', 'found', location.folder);
    case 'broken':
      return show('red', 'broken', location.reason);
    case 'missing':
      return show('yellow', 'missing', `-> hbp data fetch ${name}, or hbp data import <folder or archive>`);
  }
}

const gibibyte = 2 ** 30;

function printSpace({ folder, free }: DiskSpace): void {
  const enough = free === null || free >= gibibyte;
  const colour: Mark = enough ? 'green' : free >= gibibyte / 10 ? 'yellow' : 'red';
  const word = enough ? 'fine' : colour === 'yellow' ? 'little' : 'full';
  row(colour, word, free === null ? '?' : `${bytes(free)}`, `free in ${folder}`);
}

function printVerdict({ auto, asked, canTrain, backends }: Report): void {
  const chosen = backends.find(({ name }) => name === auto);
  if (!chosen || !canTrain) {
    print(mark('red', 'hbp cannot train here: no backend but the reference works. The arrows say what to do.'));
    return;
  }
  const speed = chosen.speed ? ` (${chosen.speed.matMul.gflops.toFixed(0)} GFLOP/s)` : '';
  const colour: Mark = chosen.state === 'slow' ? 'yellow' : 'green';
  const faster = chosen.remedy === null ? '' : `; for more: ${chosen.remedy}`;
  print(
    entry(mark(colour, ''), `hbp can train here: --backend auto takes ${auto}${speed}${faster}`, 2, paints[colour]),
  );
  if (asked !== null) print(`  HBP_BACKEND=${asked} is set: \`hbp run\` takes that instead`);
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
const bytes = (n: number): string =>
  n >= gibibyte ? `${(n / gibibyte).toFixed(n < 10 * gibibyte ? 1 : 0)} GiB` : `${(n / 2 ** 20).toFixed(0)} MiB`;
