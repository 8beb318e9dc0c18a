/**
 * The pages of `hbp dashboard` and `hbp report`, from src/web to dist/web: one script a page, and the files that need no
 * compiling. The drawing libraries stay in their packages. Types are checked by `npm run typecheck`.
 */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const from = fileURLToPath(new URL('../src/web/', import.meta.url));
const to = fileURLToPath(new URL('../dist/web/', import.meta.url));

/** `import ... from 'vega'` means the library that the page has loaded. */
const vegaOfThePage = {
  name: 'vega-of-the-page',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^vega$/ }, ({ path }) => ({ path, namespace: 'page' }));
    onLoad({ filter: /.*/, namespace: 'page' }, () => ({ contents: 'module.exports = globalThis.vega;' }));
  },
};

await mkdir(to, { recursive: true });
await build({
  entryPoints: [`${from}dashboard.ts`, `${from}report.ts`],
  outdir: to,
  bundle: true,
  plugins: [vegaOfThePage],
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  tsconfigRaw: {},
});
for (const name of await readdir(from)) {
  if (/\.(html|css|svg)$/.test(name)) await copyFile(from + name, to + name);
}
