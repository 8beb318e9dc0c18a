/** Colours and line styles of the figures: ColorBrewer palettes, one family of colours a kind of optimiser. */
import { scheme } from 'vega';
import type { OptimizerSpec } from '../config/schema.js';

export interface LineStyle {
  /** CSS colour. */
  readonly color: string;
  /** SVG dash pattern in pixels: ink, gap, ink, gap, ...; empty for a solid line. */
  readonly dash: readonly number[];
}

export const dashes = { solid: [], dashed: [7, 3], dashDotted: [7, 2.5, 1.8, 2.5], dotted: [1.8, 2.2] } as const;
const dashCycle: readonly (readonly number[])[] = Object.values(dashes);

/** YlOrRd-5 from its third on: light entries are left out of every palette, since they vanish on white paper. */
const firstOrder = ['#fd8d3c', '#f03b20', '#bd0026'];
/** The same from dark to light: Adam stands apart from SGD. */
const adaptive = ['#bd0026', '#f03b20', '#fd8d3c'];
/** PuRd-5 from its third on. */
const kronecker = ['#df65b0', '#dd1c77', '#980043'];
/** YlGnBu-5 from dark to light without its lightest. */
const curvature = ['#253494', '#2c7fb8', '#41b6c4', '#a1dab4'];

type Kind = OptimizerSpec['kind'];

/** Colours for `count` variants of one kind, in the order of the file. */
function colorsOf(kind: Kind, count: number): readonly string[] {
  switch (kind) {
    case 'sgd':
      return firstOrder;
    case 'adam':
      return adaptive;
    case 'kfac':
      return kronecker;
    case 'cg-newton': {
      if (count <= curvature.length) return curvature;
      const darkToLight = scheme('yellowgreenblue') as (t: number) => string;
      return Array.from({ length: count }, (_, i) => darkToLight(1 - (0.65 * i) / (count - 1)));
    }
  }
}

/**
 * The look of each line of a figure: line styles cycle solid, dashed, dash-dotted, dotted; a colour given in the
 * experiment file wins. Takes all declared variants, drawn or not, so that a missing run doesn't recolour the others.
 */
export function lineStyles(
  variants: readonly { readonly kind: Kind; readonly color?: string | undefined }[],
): LineStyle[] {
  return variants.map(({ kind, color }, i) => {
    const alike = variants.filter((other) => other.kind === kind);
    const palette = colorsOf(kind, alike.length);
    const rank = variants.slice(0, i).filter((other) => other.kind === kind).length;
    return {
      color: color ?? palette[rank % palette.length] ?? '#000000',
      dash: dashCycle[i % dashCycle.length] ?? [],
    };
  });
}
