/** A thread that reads variants of a run store: the other side of read-ahead.ts. */
import { parentPort } from 'node:worker_threads';
import { readStored, type StoredVariant, type VariantOfStore } from './merge.js';

parentPort!.on('message', (variant: VariantOfStore) => {
  const read: StoredVariant = readStored(variant);
  parentPort!.postMessage(
    read,
    read.tables.map(({ values }) => values.buffer as ArrayBuffer),
  );
});
