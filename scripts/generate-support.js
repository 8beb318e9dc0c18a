/** Writes docs/support.md from the engine's own tables. Run after `npm run build`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { useBackend } from '../dist/engine/backend/index.js';
import { supportDocument } from '../dist/engine/support-table.js';

await useBackend('cpu'); // the example layers hold tensors
mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
writeFileSync(new URL('../docs/support.md', import.meta.url), supportDocument());
