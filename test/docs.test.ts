/** The code that the documentation shows runs as shown; needs `npm run build` (make test sees to it). */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = [
  'README.md',
  'CONTRIBUTING.md',
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

describe.each(files)('%s', (file) => {
  const text = readFileSync(root + file, 'utf8');

  it('names no file that is not there', () => {
    const places = 'bin|data/original|docs|examples|experiments|native|scripts|src|test';
    for (const [, path] of text.matchAll(new RegExp(`\`((?:${places})/[\\w./-]*)\``, 'g'))) {
      // What is made here is not there in a fresh checkout.
      if (path!.startsWith('native/build')) continue;
      expect({ path, there: existsSync(root + path) }).toEqual({ path, there: true });
    }
  });

  // Links to what is here: `npm run docs:check`.
  it('has links to other hosts that are addresses', () => {
    for (const [, link] of text.matchAll(/\]\((https?:[^)]*)\)/g)) expect(URL.canParse(link!)).toBe(true);
  });

  it('takes its ts code from the examples that it names', () => {
    const examples = [...text.matchAll(/\(\.\.\/(examples\/[\w-]+\.ts)\)/g)].map(([, path]) => path!);
    const code = examples.map((path) => plain(readFileSync(root + path, 'utf8'))).join('');
    for (const [, block] of text.matchAll(/^```ts\n([^]*?)^```$/gm)) expect(code).toContain(plain(block!));
  });
});

/** Without the indentation, which differs. */
function plain(code: string): string {
  return code.replace(/^ +/gm, '');
}

it('has no link to a file that is not there', () => {
  for (const file of files) {
    const text = readFileSync(root + file, 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      const target = new URL(link!, new URL(`../${file}`, import.meta.url));
      expect({ file, link, there: existsSync(target) }).toEqual({ file, link, there: true });
    }
  }
});
