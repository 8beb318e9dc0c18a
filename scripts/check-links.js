/**
 * Checks the links of the built documentation (`npm run docs`) and of every markdown file: that what they lead to is
 * there, headings included. The site has to work from disk, so no link may begin at the root of a server. Links to other
 * hosts are not followed: this works offline.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LinkChecker } from 'linkinator';

process.chdir(new URL('..', import.meta.url).pathname);

const site = 'dist-docs';
const pages = readdirSync(site, { recursive: true })
  .filter((name) => name.endsWith('.html'))
  .map((name) => join(site, name));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n');
const problems = [];

for (const page of pages) {
  for (const [link] of readFileSync(page, 'utf8').matchAll(/(?:href|src)="\/[^"]*"/g)) {
    problems.push(`${page}: ${link} does not work from disk`);
  }
}

let count = 0;
for (const path of [pages, tracked]) {
  const isRemote = (link) => Promise.resolve(/^https?:/.test(link) && !/^http:\/\/localhost[:/]/.test(link));
  const { links } = await new LinkChecker().check({
    path,
    markdown: true,
    checkFragments: true,
    linksToSkip: isRemote,
  });
  count += links.length;
  for (const { url, parent, state } of links) if (state === 'BROKEN') problems.push(`${parent}: ${url} is not there`);
}

for (const problem of problems) console.error(problem);
console.log(`${count} links in ${pages.length} pages and ${tracked.length} markdown files, ${problems.length} broken`);
process.exitCode = problems.length > 0 || count === 0 ? 1 : 0;
