/** Options of the commands that compute. Apart from what all commands share, which must not load the engine. */
import { Option } from 'commander';
import { backendNames } from '../engine/backend/names.js';
import { countOrAuto } from './arguments.js';

export function backendOption(): Option {
  return new Option('--backend <name>', `what runs the maths: ${backendNames.join(', ')}`)
    .env('HBP_BACKEND')
    .default('auto');
}

export function threadsOption(description: string): Option {
  return new Option('--threads <n|auto>', description)
    .env('HBP_THREADS')
    .argParser((text) => (text === '' ? 'auto' : countOrAuto(text)))
    .default('auto' as const);
}
