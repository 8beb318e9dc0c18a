/** The dashboard in a browser while a run trains, both as processes: needs `npm run build`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Download, Page } from 'playwright-core';
import { parse } from 'csv-parse/sync';
import { readMetrics } from '../../src/lab/results/metrics.js';
import {
  accessibilityProblems,
  closeBrowser,
  describeInBrowser,
  openPage,
  type WatchedPage,
} from '../support/browser.js';

const bin = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [12, 8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 5000
seeds: 0
quick: { epochs: 5000, trainSamples: 1000, testSamples: 100, seeds: 0 }
variants:
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1, momentum: 0.9 } }
  cg: { label: CG, optimizer: { kind: cg-newton, secondOrder: abs, lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50, blocks: 2 } }
`;

describeInBrowser('the dashboard', () => {
  let folder: string;
  let server: ChildProcess;
  let training: ChildProcess;
  let watched: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hbp-dashboard-'));
    writeFileSync(join(folder, 'tiny.yaml'), experiment);
    server = hbp('dashboard', '--quick');
    watched = await openPage(await addressOf(server));
    ({ page } = watched);
    page.setDefaultTimeout(30_000);
  });
  afterAll(async () => {
    await closeBrowser();
    await Promise.all([training, server].map(ended));
    rmSync(folder, { recursive: true, force: true });
  });

  function hbp(...args: string[]): ChildProcess {
    const env = { ...process.env, NO_COLOR: '1', HBP_BACKEND: 'wasm', HBP_DATA_DIR: '', NODE_OPTIONS: '' };
    return spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  const chart = () => page.locator('#curves .chart');
  /** What the table beside the chart says of a variant: where it stands. */
  const standing = async (label: string): Promise<number> =>
    Number(await chart().locator(`tbody tr:has(th:text-is("${label}")) td`).first().textContent());

  it('is there before any run is, and says so', async () => {
    await page.locator('#connection:text-is("live")').waitFor();
    expect(await page.locator('#counts').textContent()).toBe('no runs yet');
    expect(await page.locator('#runs-shown').textContent()).toBe('None yet: `hbp run` makes some.');
  });

  it('shows runs that begin to train, and new points as they come, without being asked', async () => {
    training = hbp('run', './tiny.yaml', '--quick', '--jobs', '2');
    // A pipe that nobody reads would stop it when it is full.
    training.stdout!.resume();
    training.stderr!.resume();
    await page.locator('tr.is-running:has-text("tiny/sgd/seed0")').waitFor();
    await page.locator('tr.is-running:has-text("tiny/cg/seed0")').waitFor();
    await chart().locator('.plot canvas').waitFor();
    await chart().locator('summary').click();
    await chart().locator('tbody tr:has(th:text-is("CG"))').waitFor();
    const before = await standing('CG');
    await until(async () => (await standing('CG')) > before);
    const row = page.locator('tr.is-running:has-text("tiny/cg/seed0") td');
    await until(async () => /^\d+[smhd]/.test((await row.nth(2).textContent()) ?? ''));
    expect(await row.nth(3).textContent()).toMatch(/^[\d.]+ (ms|s)$/);
    expect(await row.last().textContent()).toBe('wasm, 1 thread');
    await until(async () =>
      /Training processes\d+: \d+ MiB/.test((await page.locator('#machine-body').textContent()) ?? ''),
    );
  });

  it('switches a variant off and on, by mouse and by keyboard', async () => {
    const sgd = chart().locator('.legend button:text-is("SGD")');
    expect(await sgd.getAttribute('aria-pressed')).toBe('true');
    await sgd.click();
    expect(await sgd.getAttribute('aria-pressed')).toBe('false');
    await sgd.focus();
    await page.keyboard.press('Space');
    expect(await sgd.getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press('Space');
    expect(await sgd.getAttribute('aria-pressed')).toBe('false');
    const cg = chart().locator('.legend button:text-is("CG")');
    await cg.click();
    await chart().locator('.empty:text-is("Everything is switched off.")').waitFor();
    expect(await chart().locator('.plot').isVisible()).toBe(false);
    await cg.click();
    await chart().locator('.plot canvas').waitFor();
  });

  it('downloads what is shown: SVG, PNG, and CSV with the numbers of metrics.csv', async () => {
    const svg = (await fileFrom('SVG')).toString();
    expect(svg).toMatch(/^<svg[^]*Test loss \[nats\][^]*<\/svg>$/);
    expect(svg).toContain('>CG<');
    expect(svg).not.toContain('>SGD<');
    expect((await fileFrom('PNG')).subarray(1, 4).toString()).toBe('PNG');
    const csv = parse(await fileFrom('CSV'), { columns: true }) as unknown as Record<string, string>[];
    const rows = readMetrics(join(folder, 'data/runs-quick/tiny/cg/seed0')).slice(0, csv.length);
    expect(csv.length).toBeGreaterThan(1);
    expect(csv.map((line) => [line['variant'], Number(line['Epoch']), Number(line['Test loss [nats]'])])).toEqual(
      rows.map(({ epoch, test_loss }) => ['CG', epoch, test_loss]),
    );
  });

  async function fileFrom(kind: string): Promise<Buffer> {
    const arrives: Promise<Download> = page.waitForEvent('download');
    await chart().locator(`button:text-is("${kind}")`).click();
    const file = await arrives;
    expect(file.suggestedFilename()).toBe(`tiny-test_loss.${kind.toLowerCase()}`);
    return readFileSync(await file.path());
  }

  it('looks at another metric, over steps, on a logarithmic axis, and keeps that in its address', async () => {
    await page.locator('#view select[name="metric"]').selectOption('train_accuracy');
    await page.locator('#view input[name="x"][value="step"]').check();
    await page.locator('#view input[name="scale"][value="linear"]').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#view input[name="lines"][value="seeds"]').check();
    await until(() => Promise.resolve(page.url().endsWith('metric=train_accuracy&x=step&scale=log&lines=seeds')));
    await chart().locator('thead th:text-is("Step")').waitFor();
    await page.reload();
    await chart().locator('.plot canvas').waitFor();
    expect(await page.locator('#view input[name="scale"][value="log"]').isChecked()).toBe(true);
    const problems = await chart().locator('[role="alert"]').count();
    expect(problems).toBe(0);
  });

  it('shows a tooltip at the nearest point', async () => {
    await chart().locator('.plot canvas').scrollIntoViewIfNeeded();
    await chart()
      .locator('.plot canvas')
      .hover({ position: { x: 400, y: 200 } });
    const tooltip = page.locator('#vg-tooltip-element.visible');
    await tooltip.waitFor();
    expect(await tooltip.textContent()).toMatch(/Variant:?(SGD|CG)Step:?[\d.]+Train accuracy:?[\d.]+%/);
  });

  it('shows the layers of a run: norms, CG iterations, why CG stopped', async () => {
    await page.locator('#runs-table button:text-is("tiny/cg/seed0")').click();
    const layers = page.locator('#layers');
    await layers.locator('.plot canvas').waitFor();
    const names = await layers.locator('.legend button').allTextContents();
    expect(names).toEqual(['1.weight', '1.bias', '3.weight', '3.bias', '5.weight', '5.bias']);
    await layers.locator('input[value="iterations"]').check();
    const stops = layers.locator('.stops tbody tr').first();
    await stops.waitFor();
    expect(await stops.textContent()).toMatch(/^1\.weight\d+ (converged|most iterations)/);
  });

  it.each(['light', 'dark'] as const)('is usable without eyes and without a mouse, %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(500);
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  it('tells when a run ends, aloud, too', async () => {
    training.kill('SIGINT');
    await page.locator('tr.is-interrupted:has-text("tiny/cg/seed0")').waitFor();
    await page.locator('tr.is-interrupted:has-text("tiny/sgd/seed0")').waitFor();
    expect(await page.locator('#announcements').textContent()).toMatch(/^tiny\/\w+\/seed0 is interrupted$/);
  });

  it('asked nobody else for anything, and nothing went wrong', () => {
    expect(watched.complaints).toEqual([]);
  });

  it('says when its server is gone', async () => {
    await ended(server);
    await page.locator('#connection.is-lost').waitFor();
  });
});

/** The address that `hbp dashboard` prints. */
function addressOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    server.stdout!.on('data', (part) => {
      text += String(part);
      const [url] = /http:\S+/.exec(text) ?? [];
      if (url) resolve(url);
    });
    server.stderr!.on('data', (part) => reject(new Error(String(part))));
    server.on('exit', () => reject(new Error('the server ended')));
  });
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGINT');
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await end;
  clearTimeout(late);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`still not so after half a minute: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
