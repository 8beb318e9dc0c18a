/** A thread that reads variants of a run store: the other side of read-ahead.ts. */
import { parentPort } from 'node:worker_threads';
import { readStored, type VariantOfStore } from './merge.js';

parentPort!.on('message', ([index, variant]: readonly [number, VariantOfStore]) => {
  const read = readStored(variant);
  parentPort!.postMessage(
    [index, read],
    read.tables.map(({ values }) => values.buffer as ArrayBuffer),
  );
});
