/** Writes experiments/schema.json from the schema in src/lab/config/schema.ts. Run after `npm run build`. */
import { writeFileSync } from 'node:fs';
import { experimentJsonSchema } from '../dist/lab/config/json-schema.js';

writeFileSync(new URL('../experiments/schema.json', import.meta.url), experimentJsonSchema());
