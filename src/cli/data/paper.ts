/** What `hbp data` says of the authors' runs. */
import { paperName } from '../../lab/archive/home.js';
import type { InstalledPaper, PaperStatus, VerifiedPaper } from '../../lab/archive/paper.js';
import { surveyTree, type Survey } from '../../lab/archive/survey.js';
import { loadAllExperiments } from '../../lab/config/load.js';
import { formatSeeds } from '../../lab/config/seeds.js';
import { folders, formatTable, print } from '../shared.js';

/** The runs of a tree by variants of the experiments here. */
export function surveyed(folder: string): Survey {
  return surveyTree(folder, loadAllExperiments(folders.experiments()));
}

export function printInstalled({ folder, official, fingerprint, leftOut }: InstalledPaper, survey: Survey): void {
  print(`${paperName}: in ${folder}, ${official ? 'the published archive' : 'not known to be official'}, ${fingerprint}`);
  if (leftOut > 0) print(`${leftOut} ${leftOut === 1 ? 'file' : 'files'} of other kinds left out`);
  print();
  print(formatTable(['variant', 'label', 'seeds', 'evaluations'], survey.found.map(foundRow)));
  printSurveyRemarks(survey);
}

function foundRow({ experiment, variant, label, seeds, evaluations: [least, most] }: Survey['found'][number]): string[] {
  const evaluations = least === most ? `${most}` : `${least} to ${most}`;
  return [`${experiment}/${variant}`, label, seeds.length > 0 ? formatSeeds(seeds) : '-', evaluations];
}

export function printSurveyRemarks({ found, absent, strangers }: Survey): void {
  printList('Variants without runs', absent.map(({ experiment, variant }) => `${experiment}/${variant}`));
  printList('Runs of no variant', strangers.map(({ folder, seeds }) => (seeds.length > 0 ? `${folder} (seeds ${formatSeeds(seeds)})` : folder)));
  printList('Remarks', found.flatMap(({ experiment, variant, remarks }) => remarks.map((remark) => `${experiment}/${variant}: ${remark}`)));
}

function printList(heading: string, items: readonly string[]): void {
  if (items.length > 0) print([`\n${heading}:`, ...items].join('\n  '));
}

export function describeVerified({ folder, fingerprint, official }: VerifiedPaper, { found }: Survey): string {
  const seeds = found.reduce((sum, { seeds }) => sum + seeds.length, 0);
  const checked = official ? 'the published archive' : 'not known to be official';
  return `${paperName}: ${checked}, ${seeds} runs of ${found.length} variants, ${fingerprint}, ${folder}`;
}

export function statusRow(status: PaperStatus): string[] {
  switch (status.state) {
    case 'complete':
      return [paperName, 'complete', status.official ? 'yes' : 'not known', status.folder];
    case 'broken':
      return [paperName, 'broken', '-', status.reason];
    case 'missing':
      return [paperName, `not here (hbp data fetch ${paperName})`, '-', '-'];
  }
}
