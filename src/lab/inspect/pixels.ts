/** A matrix as a PNG of its own colours, a pixel a cell: a rectangle each would make figures of megabytes. */
import { deflateSync } from 'node:zlib';
import CRC32 from 'crc-32';
import { rgb } from 'd3-color';
import { placeOn, type Symlog } from './symlog.js';

/** From negative (blue) by zero (white) to positive (red): ColorBrewer's RdBu-11 about pure white. */
export const heatColors = [
  ...['#053061', '#2166ac', '#4393c3', '#92c5de', '#d1e5f0', '#ffffff'],
  ...['#fddbc7', '#f4a582', '#d6604d', '#b2182b', '#67001f'],
] as const;
/** Colours on each side of zero. */
const shades = 127;
const palette = Array.from({ length: 2 * shades + 1 }, (_, i) => {
  const place = (i / (2 * shades)) * (heatColors.length - 1);
  const before = Math.min(Math.floor(place), heatColors.length - 2);
  const [from, to] = [rgb(heatColors[before]!), rgb(heatColors[before + 1]!)];
  return (['r', 'g', 'b'] as const).map((part) => Math.round(from[part] + (place - before) * (to[part] - from[part])));
});

/** More pixels a side cannot be seen where matrices stand side by side. */
const mostPixels = 480;

/**
 * A data URL of the picture of a matrix [n, n]. Of larger matrices a pixel is the entry of largest magnitude in its square,
 * so that thin structure stays; small ones get several pixels a cell, so that no viewer blurs them.
 */
export function heatMap(entries: Float32Array, n: number, scale: Symlog): string {
  const stride = Math.ceil(n / mostPixels);
  const cells = Math.ceil(n / stride);
  const magnified = Math.max(1, Math.floor(mostPixels / cells));
  const side = cells * magnified;
  const pixels = new Uint8Array(side * (side + 1)); // a byte before every row says: not filtered
  for (let row = 0; row < cells; row++) {
    const line = (row * magnified * (side + 1)) | 0;
    for (let column = 0; column < cells; column++) {
      const value = largestIn(entries, n, row * stride, column * stride, stride);
      const shade = shades + Math.round(shades * placeOn(scale, value));
      pixels.fill(shade, line + 1 + column * magnified, line + 1 + (column + 1) * magnified);
    }
    for (let copy = 1; copy < magnified; copy++) {
      pixels.copyWithin(line + copy * (side + 1), line, line + side + 1);
    }
  }
  return `data:image/png;base64,${png(side, pixels).toString('base64')}`;
}

function largestIn(entries: Float32Array, n: number, top: number, left: number, stride: number): number {
  let largest = 0;
  for (let i = top; i < Math.min(n, top + stride); i++) {
    for (let j = left; j < Math.min(n, left + stride); j++) {
      const value = entries[i * n + j]!;
      if (Math.abs(value) > Math.abs(largest)) largest = value;
    }
  }
  return largest;
}

/** 8 bits a pixel, indices of the palette (W3C PNG, colour type 3). */
function png(side: number, pixels: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flat())),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeInt32BE(CRC32.buf(body));
  return Buffer.concat([length, body, check]);
}
