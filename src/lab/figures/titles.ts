/** How figures and pages call what they show. Nothing else in here: pages are made of it, too. */
import type { Metric } from '../config/schema.js';

export const metricTitles: Readonly<Record<Metric, string>> = {
  batch_loss: 'Batch loss [nats]',
  batch_accuracy: 'Batch accuracy',
  train_loss: 'Train loss [nats]',
  train_accuracy: 'Train accuracy',
  test_loss: 'Test loss [nats]',
  test_accuracy: 'Test accuracy',
};

export const xTitles = { epoch: 'Epoch', wall: 'Wall clock [s]' } as const;
