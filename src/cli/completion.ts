import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { backendNames } from '../engine/backend/names.js';
import { variantsOf } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment } from '../lab/config/load.js';
import type { Experiment } from '../lab/config/schema.js';
import { figureFormats } from '../lab/figures/format.js';
import { folders } from './shared.js';

/** Takes a value that may come next and what it is. */
type Suggest = (value: string, description: string) => void;

/**
 * Adds `hbp completion <shell>`, which prints a script for the shell, and the hidden `hbp complete` that the script asks
 * what may come next. Commands, options and choices follow from the program; what only the experiments know is here.
 */
export function addCompletion(program: Command): void {
  const completion = tab(program, { completionCommandName: 'completion' });
  program.commands
    .find((command) => command.name() === 'completion')
    ?.description('print a script that completes commands, options, experiments and variants in your shell')
    .addHelpText(
      'after',
      `
Examples:
  hbp completion bash >> ~/.bashrc
  hbp completion zsh >> ~/.zshrc
  hbp completion fish > ~/.config/fish/completions/hbp.fish

It completes \`hbp\` where that is in the PATH; in a checkout, hbp() { npx hbp "$@"; } stands in for that.`,
    );
  for (const command of completion.commands.values()) {
    for (const [name, argument] of command.arguments) {
      if (/^experiment/.test(name)) argument.handler = suggestExperiments;
      if (command.value === 'plot') argument.handler = suggestFigures;
      if (name === 'path') argument.handler = (suggest) => suggestPaths(suggest);
    }
    for (const [name, option] of command.options) {
      const handler = optionValues[name];
      if (handler && !option.isBoolean) option.handler = handler;
    }
  }
}

const optionValues: Readonly<Record<string, (suggest: Suggest) => void>> = {
  variant: suggestVariants,
  backend: (suggest) => backendNames.forEach((name) => suggest(name, '')),
  format: (suggest) => figureFormats.forEach((name) => suggest(name, '')),
  jobs: (suggest) => suggest('auto', 'as many as the cores carry, one on a GPU'),
  threads: (suggest) => suggest('auto', 'cores / jobs'),
  checkpoint: (suggest) => suggestPaths(suggest, /\.safetensors$/),
  runs: (suggest) => suggestPaths(suggest),
  out: (suggest) => suggestPaths(suggest),
  'data-dir': (suggest) => suggestPaths(suggest),
};

/** What was typed so far; the last word may be empty. */
function words(): readonly string[] {
  return process.argv.slice(process.argv.indexOf('--') + 1);
}

/** Of the value at the cursor. */
function typed(): string {
  return (
    words()
      .at(-1)
      ?.replace(/^--[^=]*=/, '') ?? ''
  );
}

function suggestExperiments(suggest: Suggest): void {
  for (const { name, title } of experiments()) suggest(name, title);
  if (/[./]/.test(typed())) suggestPaths(suggest, /\.(ya?ml|json)$/);
}

function suggestFigures(suggest: Suggest): void {
  suggestExperiments(suggest);
  for (const { name, figures } of experiments()) {
    for (const { file } of figures) suggest(file, `figure of ${name}`);
  }
}

/** Those of the experiments that are named before, else of all. */
function suggestVariants(suggest: Suggest): void {
  const named = words().flatMap((word) => {
    const experiment = attempt(() => loadExperiment(word, { experimentsDir: folders.experiments() }));
    return experiment ? [experiment] : [];
  });
  for (const experiment of named.length > 0 ? named : experiments()) {
    for (const { name, label } of variantsOf(experiment)) suggest(name, `${experiment.name}: ${label}`);
  }
}

/** Folders, and files of these names, below what was typed of a path. */
function suggestPaths(suggest: Suggest, files?: RegExp): void {
  const path = typed();
  const folder = path.endsWith('/') ? path : dirname(path);
  const shown = path.startsWith('./') && !folder.startsWith('./') ? './' : folder === '.' ? '' : join(folder, '/');
  for (const entry of attempt(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) suggest(`${shown}${entry.name}/`, '');
    else if (files?.test(entry.name)) suggest(`${shown || './'}${entry.name}`, '');
  }
}

function experiments(): Experiment[] {
  return attempt(() => loadAllExperiments(folders.experiments())) ?? [];
}

/** A reader who presses a key gets suggestions or none, but no error of a file. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
