/** What a shell asks `hbp` when somebody presses the tabulator; needs `npm run build` (make test sees to it). */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hbp-completion-'));
  writeFileSync(join(folder, 'mine.yaml'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const hbp = (...args: string[]): string =>
  execFileSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });

const complete = (...words: string[]): string[] =>
  hbp('complete', '--', ...words)
    .split('\n')
    .slice(0, -2)
    .map((line) => line.split('\t')[0]!);

it.each([
  [['']],
  [['r'], 'run', 'report'],
  [['data', ''], 'status', 'fetch', 'import', 'verify', 'help'],
  [['data', 'fetch', 'c'], 'cifar10'],
  [['run', ''], 'exp01', 'exp02', 'exp08', 'exp09'],
  [['run', './'], './mine.yaml'],
  [['run', 'exp01', '--q'], '--quick'],
  [['run', 'exp08', '--variant', 'k'], 'kfac'],
  [['run', 'exp01', '--backend=w'], 'webgpu', 'wasm'],
  [['plot', 'fig4'], 'fig4_1', 'fig4_2'],
])('%j', (words, ...expected) => {
  const suggested = complete(...words);
  if (words[0] === '') expect(suggested).toEqual(expect.arrayContaining(['list', 'run', 'plot', 'completion']));
  else expect(suggested).toEqual(expected);
});

it('knows no variants of other experiments than the one named', () => {
  expect(complete('run', 'exp02', '--variant', '')).toEqual(['blocks-1', 'blocks-2', 'blocks-4', 'blocks-16']);
});

it.each(['bash', 'zsh', 'fish', 'powershell'])('%s gets a script', (shell) => {
  expect(hbp('completion', shell)).toMatch(/complete.* '?--/);
});

it('completes in a real bash', () => {
  const script = `
    _get_comp_words_by_ref() { cur=exp prev=run words=(hbp run exp) cword=2; } # of the package bash-completion
    hbp() { "${process.execPath}" "${bin}" "$@"; }
    source <(hbp completion bash)
    COMP_WORDS=(hbp run exp) COMP_CWORD=2 COMP_LINE='hbp run exp' COMP_POINT=11
    "$(complete -p hbp | sed -E 's/.*-F ([^ ]+).*/\\1/')" hbp exp run 2>/dev/null
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['--norc', '-c', script], { cwd: folder, encoding: 'utf8' });
  expect(stdout.trim().split('\n')).toHaveLength(4);
  expect(stdout).toContain('exp01');
});
