import { BackendError } from '../../errors.js';

/** What can be asked for: `auto` and `gpu` choose, the others are names of backends. */
export const backendNames = ['auto', 'gpu', 'tensorflow', 'webgpu', 'native', 'wasm', 'cpu'] as const;
/** One of `backendNames`. */
export type BackendChoice = (typeof backendNames)[number];

/** @param text  "auto" or a name, from a flag or HBP_BACKEND */
export function parseBackend(text: string): BackendChoice {
  const choice = backendNames.find((name) => name === text);
  if (!choice) throw new BackendError(`unknown backend "${text}": one of ${backendNames.join(', ')}`);
  return choice;
}
