/**
 * curvature.json in a run folder: the figures that `hbp inspect` has drawn of the run, for its report. A run that starts
 * again loses it.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { z } from 'zod';
import { writeWhole } from '../whole-file.js';

/** Its name in a run folder. */
export const curvatureFile = 'curvature.json';

const contentSchema = z.object({
  figures: z.array(z.object({ name: z.string(), spec: z.record(z.string(), z.unknown()) })),
});

/** A figure as vega-lite draws it. */
export interface CurvatureFigure {
  readonly name: string;
  readonly spec: TopLevelSpec;
}

export function writeCurvature(dir: string, figures: readonly CurvatureFigure[]): void {
  writeWhole(join(dir, curvatureFile), `${JSON.stringify({ figures })}\n`);
}

/** The figures in a run folder; none where there is no such file or one that hbp does not understand. */
export function readCurvature(dir: string): CurvatureFigure[] {
  let text: string;
  try {
    text = readFileSync(join(dir, curvatureFile), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return (contentSchema.safeParse(JSON.parse(text)).data?.figures ?? []) as unknown as CurvatureFigure[];
  } catch {
    return [];
  }
}

export function removeCurvature(dir: string): void {
  rmSync(join(dir, curvatureFile), { force: true });
}
