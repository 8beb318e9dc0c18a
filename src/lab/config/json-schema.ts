import { z } from 'zod';
import { experimentSchema } from './schema.js';

/** The text of experiments/schema.json: what editors need to complete and check an experiment file. */
export function experimentJsonSchema(): string {
  // Draft 7 is what yaml-language-server understands best; `input`: keys with defaults may be left out.
  const schema = z.toJSONSchema(experimentSchema, { io: 'input', target: 'draft-7' });
  return `${JSON.stringify({ title: 'hbp experiment', ...schema }, null, 2)}\n`;
}
