/** Files of little-endian float32 numbers, as bench/peers/reference.py describes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Dataset } from '../../dist/lab/datasets/dataset.js';
import { batchImages, batchLabels, drawSubset } from '../../dist/lab/datasets/batches.js';
import { seededStreams } from '../../dist/lab/random.js';

export function readFloats(file: string): Float32Array {
  const bytes = readFileSync(file);
  if (bytes.length % 4 !== 0) throw new Error(`${file}: ${bytes.length} bytes are no whole number of float32`);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

export function writeFloats(file: string, ...parts: readonly Float32Array[]): void {
  writeFileSync(
    file,
    Buffer.concat(parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))),
  );
}

/** Training pictures drawn at random by seed 0 and normalised, then their labels. */
export function writeBatch(file: string, dataset: Dataset, count: number): void {
  const indices = drawSubset(dataset.train.count, count, seededStreams(0).shuffle);
  const labels = Float32Array.from(batchLabels(dataset.train, indices));
  writeFloats(file, batchImages(dataset, dataset.train, indices), labels);
}
