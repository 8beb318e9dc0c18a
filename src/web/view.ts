/** What is looked at, kept in the address so that it survives a reload and can be passed on. */
import { metricTitles, xTitles } from '../lab/figures/titles.js';
import type { XAxis } from './curves.js';
import { el } from './dom.js';

export interface View {
  readonly experiment: string;
  readonly metric: string;
  readonly x: XAxis;
  readonly scale: 'linear' | 'log';
  readonly lines: 'mean' | 'seeds';
}

const first: View = { experiment: '', metric: 'test_loss', x: 'epoch', scale: 'linear', lines: 'mean' };

export const metrics: Readonly<Record<string, string>> = metricTitles;
export const axes: Readonly<Record<XAxis, string>> = { ...xTitles, step: 'Step' };

/** Of the address; what it does not say, or says wrongly, is as at the first visit. */
export function viewOf(hash: string, experiments: readonly string[]): View {
  const said = new URLSearchParams(hash.replace(/^#/, ''));
  const one = <T extends string>(key: keyof View, known: readonly T[], otherwise: T): T =>
    known.find((value) => value === said.get(key)) ?? otherwise;
  return {
    experiment: one('experiment', experiments, experiments[0] ?? ''),
    metric: one('metric', Object.keys(metrics), first.metric),
    x: one('x', Object.keys(axes) as XAxis[], first.x),
    scale: one('scale', ['linear', 'log'], first.scale),
    lines: one('lines', ['mean', 'seeds'], first.lines),
  };
}

export function hashOf(view: View): string {
  const said = Object.entries(view).filter(([key, value]) => value !== first[key as keyof View]);
  return `#${new URLSearchParams(said as [string, string][]).toString()}`;
}

/** A choice of one: a list, or for few short ones a row of radio buttons. */
export function choice(
  name: string,
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  chosen: string,
  form: 'list' | 'buttons',
): HTMLElement {
  if (form === 'list') {
    const select = el('select', { name });
    for (const [value, text] of options) select.append(el('option', { value, selected: value === chosen }, text));
    return el('label', {}, `${label} `, select);
  }
  return el(
    'fieldset',
    { class: 'buttons' },
    el('legend', {}, label),
    ...options.map(([value, text]) =>
      el('label', {}, el('input', { type: 'radio', name, value, checked: value === chosen }), el('span', {}, text)),
    ),
  );
}
