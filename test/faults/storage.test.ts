/** Disks that are full, files that may not grow, folders that may not be written. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import type { Random } from '../../src/lab/random.js';
import { runFiles, sgdDir } from '../lab/archive/fixtures.js';
import { entriesOf, makeZip } from '../lab/archive/zip-maker.js';
import { faultsOf } from './matrix.js';
import {
  cgDir,
  digests,
  expectFine,
  expectNoStack,
  expectOneLine,
  hbpAfter,
  noMounts,
  rowsOf,
  trainCg,
  type Workshop,
  workshops,
} from './workshop.js';

const fault = faultsOf('2-storage');
const { fresh, reference } = workshops();

/** Kibibytes of the finished run with its checkpoint, and what training takes more at the most. */
const [finishedKib, trainingKib] = [320, 520];

/** Moves `data` to a file system of so many KiB for the time of one command; what is there then comes back. */
function withSmallDisk({ folder, at }: Workshop, kib: number, args: readonly string[]): ReturnType<typeof hbpAfter> {
  const ended = hbpAfter(
    folder,
    `cp -a data saved; mount -t tmpfs -o size=${kib}k tmpfs data; cp -a saved/. data; rm -r saved`,
    args,
    'cp -a data after',
  );
  rmSync(at('data'), { recursive: true });
  cpSync(at('after'), at('data'), { recursive: true });
  rmSync(at('after'), { recursive: true });
  return ended;
}

/** With room again, the run comes to the same end as one that always had it. */
async function expectGoesOn(shop: Workshop): Promise<void> {
  shop.expectFinishedUnharmed();
  expectFine(await shop.hbp(...trainCg));
  expect(rowsOf(shop.at(cgDir))).toEqual(rowsOf(reference().at(cgDir))); // its last checkpoint may have found no room
  shop.expectFinishedUnharmed();
}

const someKib = (random: Random): number => finishedKib + 4 * random.int(trainingKib / 4);

fault(
  'disk full during `hbp run`',
  { short: 1, long: 6 },
  async (random) => {
    const shop = fresh();
    const ended = withSmallDisk(shop, someKib(random), trainCg);
    expectNoStack(ended);
    if (ended.code !== 0) expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/ENOSPC/) as string });
    await expectGoesOn(shop);
  },
  noMounts,
);

fault('no file may grow beyond a limit during `hbp run` (RLIMIT_FSIZE)', { short: 1, long: 4 }, async (random) => {
  const shop = fresh();
  const limit = 512 * (1 + random.int(8)); // of the metrics; checkpoints are larger than any
  const ended = hbpAfter(shop.folder, `prlimit --fsize=${limit} --pid $$`, trainCg);
  expectNoStack(ended);
  if (ended.code !== 0) expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/EFBIG/) as string });
  await expectGoesOn(shop);
});

const plot = ['plot', './tiny.yaml', '--quick', '--out', 'data/fig'];
fault(
  'disk full during `hbp plot`',
  { short: 1, long: 3 },
  async (random) => {
    const shop = fresh();
    expectFine(await shop.hbp(...plot));
    const whole = digests(shop.at('data', 'fig'));
    rmSync(shop.at('data', 'fig'), { recursive: true });
    const ended = withSmallDisk(shop, finishedKib + random.int(100), plot);
    expectOneLine(ended, 1, /^hbp: cannot write figure .*ENOSPC/);
    expect(whole).toMatchObject(digests(shop.at('data', 'fig')));
    shop.expectFinishedUnharmed();
  },
  noMounts,
);

fault(
  'disk full during `hbp data import`',
  { short: 1, long: 3 },
  (random) => {
    const shop = fresh();
    writeFileSync(shop.at('new.zip'), makeZip(entriesOf(runFiles(sgdDir, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))));
    const before = digests(shop.at('data'));
    const ended = withSmallDisk(shop, finishedKib + random.int(150), ['data', 'import', 'paper', 'new.zip']);
    expectOneLine(ended, 3, /^hbp: .*ENOSPC/);
    expect(digests(shop.at('data'))).toEqual(before);
  },
  noMounts,
);

const readOnly = 'mount --bind data data; mount -o remount,bind,ro data';
const inReadOnly: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
  [trainCg, 1, /EROFS|read-only/],
  [['compare', './tiny.yaml', '--quick'], 0, /^/],
  [['status', '--quick'], 0, /^/],
  [['plot', 'fig_tiny', './tiny.yaml', '--quick', '--format', 'svg'], 0, /^/],
  [['export', 'tiny', '--quick', '--format', 'original'], 1, /EROFS/],
  [['data', 'import', 'paper', 'new.zip'], 3, /EROFS/],
  [['clean'], 1, /EROFS/],
];
fault(
  'read-only data folder, every command',
  { short: 2, long: inReadOnly.length },
  (_random, i) => {
    const shop = fresh();
    writeFileSync(shop.at('new.zip'), makeZip(entriesOf(runFiles(sgdDir, [0]))));
    const before = digests(shop.at('data'));
    const [args, code, message] = inReadOnly[i]!;
    expectOneLine(hbpAfter(shop.folder, readOnly, args), code, message);
    expect(digests(shop.at('data'))).toEqual(before);
  },
  noMounts,
);
