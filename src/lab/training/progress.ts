import type { MetricsRow } from '../results/metrics.js';

/** What a run in progress tells whoever watches it: plain data, so that it also travels between processes. */
export type ProgressEvent =
  | {
      readonly type: 'start';
      readonly run: string;
      readonly totalSteps: number;
      readonly epochs: number;
      /** Where it goes on; step 0 is the beginning. */
      readonly from: { readonly step: number; readonly epoch: number };
    }
  /** Something that is worth a line. */
  | { readonly type: 'note'; readonly run: string; readonly text: string }
  | {
      readonly type: 'step';
      readonly run: string;
      readonly step: number;
      readonly epoch: number;
      readonly batchLoss: number;
    }
  | { readonly type: 'evaluation'; readonly run: string; readonly row: MetricsRow };

export type ProgressListener = (event: ProgressEvent) => void;
