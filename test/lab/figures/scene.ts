/** What vega draws of a figure: its scene, without a picture. */
import { parse, View, type Spec } from 'vega';
import { compile } from 'vega-lite';
import { figureSpec, type FigureData } from '../../../src/lab/figures/spec.js';

export interface Item {
  readonly stroke: string | undefined;
  readonly fill: string | undefined;
  readonly strokeDash: number[] | undefined;
  readonly fillOpacity: number | undefined;
  readonly defined: boolean | undefined;
  readonly strokeWidth: number | undefined;
  readonly opacity: number | undefined;
  readonly text: string | string[] | undefined;
}
interface Node {
  marktype?: string;
  role?: string;
  items?: (Item & Node)[];
}

export async function run(data: FigureData): Promise<{ vega: Spec; view: View }> {
  const vega = compile(figureSpec(data)).spec;
  return { vega, view: await new View(parse(vega), { renderer: 'none' }).runAsync() };
}

/** What is drawn with marks of a type, group by group; plain data, since scene items hold the whole scene. */
export function marks(view: View, type: string, role = 'mark'): Item[][] {
  const found: Item[][] = [];
  const visit = (node: Node): void => {
    if (node.marktype === type && node.role === role) {
      found.push(
        (node.items ?? []).map(({ stroke, fill, strokeDash, strokeWidth, opacity, fillOpacity, defined, text }) => ({
          stroke,
          fill,
          strokeDash,
          strokeWidth,
          opacity,
          fillOpacity,
          defined,
          text,
        })),
      );
    }
    node.items?.forEach(visit);
  };
  visit((view.scenegraph() as unknown as { root: Node }).root);
  return found;
}

export function domain(view: View, scale: string): number[] {
  return (view.scale(scale) as { domain(): number[] }).domain();
}
