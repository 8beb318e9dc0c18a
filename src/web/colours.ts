/** Colours of the figures were made for white paper: on a dark page the darkest of them are lightened, in hue the same. */

type Rgb = readonly [number, number, number];

/** Of marks against their ground, as WCAG asks of graphics. */
const leastContrast = 3;

/** The colour, or on a dark ground the least lightened form of it that can be seen. */
export function onGround(color: string, ground: string): string {
  const [ink, paper] = [parse(color), parse(ground)];
  if (!ink || !paper || luminance(paper) > 0.5) return color;
  for (let white = 0; white < 1; white += 0.05) {
    const mixed = ink.map((part) => part + (255 - part) * white) as unknown as Rgb;
    if (contrast(mixed, paper) >= leastContrast) {
      return white === 0 ? color : `#${mixed.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
    }
  }
  return '#ffffff';
}

/** `#rgb` and `#rrggbb`; null for any other way to write a colour. */
function parse(color: string): Rgb | null {
  const [, short, long] = /^#(?:([0-9a-f]{3})|([0-9a-f]{6}))$/i.exec(color.trim()) ?? [];
  const hex = long ?? short?.replace(/./g, '$&$&');
  if (hex === undefined) return null;
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

function contrast(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Relative luminance of WCAG 2, 0 to 1. */
function luminance(color: Rgb): number {
  const [red = 0, green = 0, blue = 0] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
