/**
 * A report: one HTML file that needs nothing else, neither a network nor a server. It carries the drawing libraries, the
 * numbers of its figures, and a content security policy under which only its own scripts run.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { libraries, libraryFile, ownFile } from '../dashboard/assets.js';
import type { Experiment } from '../config/schema.js';
import { runName } from '../config/spec.js';
import { figureContent, type FigureContent, type FigureSources } from '../figures/data.js';
import { planFigures } from '../figures/plan.js';
import { type CurvatureFigure, readCurvature } from '../results/curvature.js';
import { listRuns, type RunInfo } from '../results/inspect.js';
import { commandsFor } from './commands.js';
import { html, Html, jsonFor, programFor } from './html.js';

/** A table of words; the first cell of a row names it. */
export interface ReportTable {
  readonly title: string;
  readonly columns: readonly { readonly group?: string; readonly name: string }[];
  readonly rows: readonly (readonly string[])[];
}

export interface ReportExperiment {
  readonly experiment: Experiment;
  readonly tables: readonly ReportTable[];
  /** What a reader should know before trusting a number. */
  readonly remarks: readonly string[];
}

export interface ReportOptions extends FigureSources {
  /** The folder of the runs as the user knows it. */
  readonly place: string;
  /** All that figures may refer to. */
  readonly known: readonly Experiment[];
  readonly experiments: readonly ReportExperiment[];
  /** What the marks in the tables mean, a line each. */
  readonly criterion: readonly string[];
  readonly version: string;
  /** What was typed. */
  readonly command: string;
  /** Now, for the head of the report. */
  readonly date: Date;
}

interface Figure extends FigureContent {
  readonly name: string;
  /** In an experiment file, as against those that every metric gets. */
  readonly isDeclared: boolean;
}

/** The report as the text of an HTML file. */
export function createReport(options: ReportOptions): string {
  const { source, experiments, version, command, date } = options;
  const runs = listRuns(source.from);
  const parts = experiments.map((each) => {
    const figures = figuresOf(each.experiment, options);
    const own = runs.filter(({ experiment }) => experiment === each.experiment.name);
    const curvature = own.flatMap((run) => readCurvature(run.dir).map((figure) => placed(figure, run)));
    return { ...each, figures, runs: own, curvature };
  });
  const figures = parts.flatMap(({ figures }) => figures.flatMap(({ name, data }) => (data ? [{ name, data }] : [])));
  const body = html`
    <a class="skip" href="#content">Skip to the content</a>
    <header>
      <h1>${experiments.map(({ experiment }) => experiment.name).join(', ')}</h1>
      <p class="note">
        ${source.name}, ${String(parts.reduce((sum, { runs }) => sum + runs.length, 0))} runs in
        <code>${options.place}</code> · made by hbp ${version} on ${date.toISOString().slice(0, 16).replace('T', ' ')}
        UTC with <code>${command}</code>
      </p>
      <nav aria-label="Experiments">
        <ul>
          ${parts.map(
            ({ experiment }) =>
              html`<li><a href="#${experiment.name}">${experiment.name}: ${experiment.title}</a></li>`,
          )}
        </ul>
      </nav>
    </header>
    <main id="content" tabindex="-1">${parts.map((part) => experimentSection(part, options))}</main>
    <noscript>The figures are drawn with JavaScript that is part of this file.</noscript>
    <script type="application/json" id="figures">
      ${jsonFor(figures)}
    </script>
    <script type="application/json" id="curvature">
      ${jsonFor(parts.flatMap(({ curvature }) => curvature))}
    </script>
  `;
  return page(`hbp report: ${experiments.map(({ experiment }) => experiment.name).join(', ')}`, body);
}

function figuresOf(experiment: Experiment, options: ReportOptions): Figure[] {
  const declared = new Set(experiment.figures.map(({ file }) => file));
  return planFigures(options.known)
    .filter((plan) => plan.experiment === experiment.name)
    .map((plan) => ({ name: plan.name, isDeclared: declared.has(plan.name), ...figureContent(plan, options) }));
}

interface Part extends ReportExperiment {
  readonly figures: readonly Figure[];
  readonly runs: readonly RunInfo[];
  /** What `hbp inspect` has drawn of these runs. */
  readonly curvature: readonly CurvatureFigure[];
}

/** Under a name that no figure of another run has: `exp01/sgd/seed0/blocks`. */
function placed({ name, spec }: CurvatureFigure, run: RunInfo): CurvatureFigure {
  return { name: `${runName(run)}/${name}`, spec };
}

function experimentSection(part: Part, { criterion }: ReportOptions): Html {
  const { experiment, figures, tables, remarks, runs, curvature } = part;
  const drawn = figures.filter(({ data }) => data !== null);
  const [declared, others] = [drawn.filter((each) => each.isDeclared), drawn.filter((each) => !each.isDeclared)];
  const undrawn = figures.filter(({ data }) => data === null).map(({ name }) => name);
  return html`
    <section id="${experiment.name}" aria-labelledby="${experiment.name}-title">
      <h2 id="${experiment.name}-title">${experiment.name}: ${experiment.title}</h2>
      ${experiment.description === undefined ? null : html`<p>${experiment.description}</p>`} ${figureGrid(declared)}
      ${others.length > 0 ? everyMetric(others, declared.length === 0) : null}
      ${undrawn.length > 0 ? html`<p class="note">Not drawn, no data: ${undrawn.join(', ')}.</p>` : null}
      ${curvature.length > 0 ? curvatureFigures(curvature) : null} ${tables.map(tableHtml)}
      ${
        tables.some(({ columns }) => columns.some(({ name }) => name === 'diff.'))
          ? html`<p class="note">${criterion.join(' ')}</p>`
          : null
      }
      ${
        remarks.length > 0
          ? html`<h3>Remarks</h3>
              <ul>
                ${remarks.map((remark) => html`<li>${remark}</li>`)}
              </ul>`
          : null
      }
      ${reproduction(experiment, runs)} ${provenance(runs)}
    </section>
  `;
}

function everyMetric(figures: readonly Figure[], isOpen: boolean): Html {
  return html`<details ${isOpen ? new Html('open') : null}>
    <summary>Every metric (${figures.length} figures)</summary>
    ${figureGrid(figures)}
  </details>`;
}

function curvatureFigures(figures: readonly CurvatureFigure[]): Html {
  const runs = [...new Set(figures.map(({ name }) => dirname(name)))];
  return html`<h3>Curvature</h3>
    ${runs.map(
      (run) =>
        html`<details>
          <summary>${run}</summary>
          ${figures
            .filter(({ name }) => dirname(name) === run)
            .map(
              ({ name, spec }) =>
                html`<div
                  class="scroll"
                  data-curvature="${name}"
                  role="region"
                  aria-label="${String(spec.description)}"
                  tabindex="0"
                ></div>`,
            )}
        </details>`,
    )}`;
}

function figureGrid(figures: readonly Figure[]): Html {
  return html`<div class="figures">
    ${figures.map(({ name }) => html`<div class="figure" data-figure="${name}"></div>`)}
  </div>`;
}

function tableHtml({ title, columns, rows }: ReportTable): Html {
  const names = columns.map(({ group, name }) => (group === undefined ? name : `${group}, ${name}`));
  return html`
    <h3>${title}</h3>
    <div class="scroll" role="region" aria-label="${title}" tabindex="0">
      <table>
        <thead>
          <tr>
            ${names.map((name) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ([first, ...cells]) =>
              html`<tr>
                <th scope="row">${first}</th>
                ${cells.map((cell) => html`<td>${cell}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function reproduction(experiment: Experiment, runs: readonly RunInfo[]): Html | null {
  const records = runs.flatMap(({ record }) => record ?? []);
  if (records.length === 0) return null;
  const { lines, remarks } = commandsFor(experiment, records);
  return html`
    <h3>To get these again</h3>
    <pre tabindex="0">${lines.join('\n')}</pre>
    ${
      remarks.length > 0
        ? html`<ul class="note">
            ${remarks.map((remark) => html`<li>${remark}</li>`)}
          </ul>`
        : null
    }
  `;
}

const provenanceColumns = [
  ...['run', 'state', 'epochs', 'started', 'took', 'dataset', 'backend', 'threads', 'instructions'],
  ...['processor', 'GPU', 'hbp', 'Node', 'TensorFlow.js', 'commit'],
].map((name) => ({ name }));

function provenance(runs: readonly RunInfo[]): Html {
  if (runs.length === 0) {
    return html`<p class="note">These runs come from an archive that does not say where they ran.</p>`;
  }
  const rows = runs.map(({ record, state, reason, ...place }) => {
    const name = runName(place);
    const told = reason === null ? state : `${state}: ${reason}`;
    if (!record) return [name, told];
    const { backend, backendVersion, threads, isa, cpu, gpu, versions, commit, dataset, startedAt } = record;
    return [
      ...[name, told, `${record.lastRow?.epoch ?? 0} of ${record.spec.epochs}`],
      ...[startedAt.slice(0, 16).replace('T', ' '), `${record.wallSeconds.toFixed(0)} s`],
      `${dataset.name}, ${dataset.fingerprint.slice(0, 'sha256:'.length + 12)}, ${dataset.source}`,
      ...[`${backend} ${backendVersion ?? ''}`.trim(), String(threads), isa ?? '', cpu, gpu ?? 'none'],
      ...[versions.hbp, versions.node, versions.tfjs, commit?.slice(0, 10) ?? ''],
    ];
  });
  return html`
    ${tableHtml({ title: 'Where the numbers come from', columns: provenanceColumns, rows })}
    <details>
      <summary>run.json of every run</summary>
      ${runs.map(
        ({ record, ...place }) =>
          record &&
          html`<details>
            <summary>${runName(place)}</summary>
            <pre tabindex="0">${JSON.stringify(record, null, 2)}</pre>
          </details>`,
      )}
    </details>
  `;
}

/** The whole file. Scripts and styles are named by their hashes: others do not run, whoever put them there. */
function page(title: string, body: Html): string {
  const scripts = [...libraries.map(libraryFile), ownFile('report.js')].map(programFor);
  const style = ownFile('page.css') + ownFile('report.css');
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(sourceOf).join(' ')}`,
    `style-src ${sourceOf(style)}`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const icon = `data:image/svg+xml,${encodeURIComponent(ownFile('icon.svg'))}`;
  const head = html`<meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${title}</title>
    <link rel="icon" href="${icon}" />`;
  // Not by the template: a blank more would change what is hashed.
  return [
    `<!doctype html>\n<html lang="en">\n<head>\n${head.text}\n<style>${style}</style>\n</head>\n<body>`,
    body.text,
    ...scripts.map((script) => `<script>${script}</script>`),
    '</body>\n</html>\n',
  ].join('\n');
}

function sourceOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}
