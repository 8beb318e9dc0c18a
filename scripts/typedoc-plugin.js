/**
 * What the documentation site needs beyond typedoc: formulas set by KaTeX when the site is built, and the pages of docs/
 * in groups, each named by its first heading. A page that no group names comes under `More`.
 */
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import katexPlugin from '@vscode/markdown-it-katex';
import { Application, Converter, JSX, ReflectionKind, RendererEvent } from 'typedoc';

/** Groups of pages and the pages in them, by the names of their files, in the order of the navigation. */
const groups = {
  Start: ['getting-started', 'tutorial-1', 'tutorial-2', 'faq'],
  Method: ['how-it-works', 'curvature', 'differences', 'reproduction', 'README' /* of data/original */],
  Use: ['engine', 'runs', 'archive', 'support', 'backends', 'performance'],
  Extend: ['extending', 'CONTRIBUTING', 'dependencies', 'CHANGELOG'],
};
const more = 'More';
const ranks = Object.values(groups).flat();
const groupOf = (stem) => Object.keys(groups).find((name) => groups[name].includes(stem)) ?? more;
const rankOf = (stem) => (ranks.includes(stem) ? ranks.indexOf(stem) : ranks.length);

/** In the browser: groups of pages are open in the navigation until a reader closes them. */
const openGroups = `try {
  for (const group of ${JSON.stringify([...Object.keys(groups), more])})
    localStorage['tsd-accordion-' + group] ??= 'true';
} catch {}`;

export function load(app) {
  // Before this, the configuration file would put the default in its place.
  app.on(Application.EVENT_BOOTSTRAP_END, () => {
    app.options.setValue('markdownItLoader', (markdownIt) =>
      markdownIt.use(katexPlugin.default, { throwOnError: true }),
    );
  });

  const [stems, titles] = [new Map(), new Map()];
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page) => {
    page.name = basename(page.name); // addresses are the files' names, wherever the files are
    stems.set(page, page.name);
    page.frontmatter.group = groupOf(page.name);
    const text = page.content.map((part) => part.text).join('');
    titles.set(page, /^# (.+)$/m.exec(text)?.[1] ?? page.name);
  });
  // Beside pages, typedoc calls what the package exports by the name of its file.
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, declaration) => {
    if (declaration.kindOf(ReflectionKind.Module)) declaration.name = 'API';
  });
  // After typedoc has made the groups.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      const order = [...Object.keys(groups), more];
      const place = ({ title }) => (order.includes(title) ? order.indexOf(title) : order.length);
      project.groups?.sort((a, b) => place(a) - place(b));
      for (const { children } of project.groups?.filter((group) => place(group) < order.length) ?? []) {
        children.sort((a, b) => rankOf(stems.get(a)) - rankOf(stems.get(b)));
      }
    },
    -1000,
  );

  // Now that the addresses are made of the files' names.
  app.renderer.on(RendererEvent.BEGIN, () => titles.forEach((title, page) => (page.name = title)));

  app.renderer.hooks.on('head.end', (context) => [
    JSX.createElement('link', { rel: 'stylesheet', href: context.relativeURL('assets/katex/katex.min.css', true) }),
    JSX.createElement('script', null, JSX.createElement(JSX.Raw, { html: openGroups })),
  ]);
  app.renderer.on(RendererEvent.END, ({ outputDirectory }) => {
    const katex = join(dirname(createRequire(import.meta.url).resolve('katex/package.json')), 'dist');
    const target = join(outputDirectory, 'assets/katex');
    cpSync(join(katex, 'katex.min.css'), join(target, 'katex.min.css'));
    cpSync(join(katex, 'fonts'), join(target, 'fonts'), {
      recursive: true,
      filter: (file) => !/\.(ttf|woff)$/.test(file),
    });
  });
}
