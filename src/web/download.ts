/** Charts as files: drawn by the figures' own spec, on white and with its legend, as `hbp plot` draws them. */
import { figureSpec, type FigureData } from '../lab/figures/spec.js';
import { toCsv } from './csv.js';

export type FileKind = 'svg' | 'png' | 'csv';

export async function download(data: FigureData, kind: FileKind, name: string): Promise<void> {
  save(await content(data, kind), `${name}.${kind}`);
}

async function content(data: FigureData, kind: FileKind): Promise<Blob> {
  if (kind === 'csv') return new Blob([toCsv(data)], { type: 'text/csv' });
  const { view } = await vegaEmbed(document.createElement('div'), figureSpec(data), {
    ...{ actions: false, ast: true, defaultStyle: false, renderer: 'svg', tooltip: false },
  });
  try {
    if (kind === 'svg') return new Blob([await view.toSVG()], { type: 'image/svg+xml' });
    const canvas = await view.toCanvas(2);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture is too large'))), 'image/png');
    });
  } finally {
    view.finalize();
  }
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replace(/[^\w.-]+/g, '-');
  link.click();
  // The browser has begun to read by then, or never will.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
