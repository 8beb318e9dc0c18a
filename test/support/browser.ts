import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Found by test/support/global-setup.js, which says so where there is none. */
const executablePath = process.env.HBP_TEST_CHROMIUM ?? '';

/** A suite that needs a browser; it is left out where there is none. */
export const describeInBrowser: typeof describe.skip = executablePath === '' ? describe.skip : describe;

/** A page, and what it did that it should not. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors, warnings of the console (the content security policy speaks there), requests to others. */
  readonly complaints: string[];
}

let browser: Browser | undefined;

/** @param home  where all that the page asks for must be */
export async function openPage(home: string, colorScheme: 'light' | 'dark' = 'light'): Promise<WatchedPage> {
  // Root has no sandbox; what is opened is our own.
  browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 1000 },
    colorScheme,
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(home) && !/^(blob|data):/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(home);
  return { page, complaints };
}

export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

/** What axe finds wrong for people who see little or nothing, or use the keyboard alone; empty if nothing. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help}: ${target.join(' ')}`));
}
