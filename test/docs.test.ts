/** The code that the documentation shows runs as shown; needs `npm run build` (make test sees to it). */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = [
  'README.md',
  ...readdirSync(`${root}docs`).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
];
const blocks = files.flatMap((file) =>
  [...readFileSync(root + file, 'utf8').matchAll(/^```js\n([^]*?)^```$/gm)].map(
    (match, i) => [file, i + 1, match[1]!] as const,
  ),
);

it.each(blocks)('%s, code block %i', (_file, _i, code) => {
  const env = { ...process.env, NODE_OPTIONS: '', HBP_BACKEND: '' };
  execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, env });
});

it('shows code at all', () => {
  expect(blocks.length).toBeGreaterThan(1);
});

it('has no link to a file that is not there', () => {
  for (const file of files) {
    const text = readFileSync(root + file, 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      const target = new URL(link!, new URL(`../${file}`, import.meta.url));
      expect({ file, link, there: existsSync(target) }).toEqual({ file, link, there: true });
    }
  }
});
