import { existsSync } from 'node:fs';
import { useBackend, type BackendChoice } from '../../../src/engine/backend/index.js';
import { activateNative } from '../../../src/engine/backend/native/index.js';
import * as tf from '../../../src/engine/tf.js';

/** Cases a kernel in the short form, and how many of the large ones. */
const shortCases = 20;
const largeCases = { short: 1, long: 5 };

export interface TestedBackend {
  readonly name: string;
  readonly cases: number;
  readonly largeCases: number;
  /** Why it cannot be tested here. */
  readonly missing?: string;
  readonly activate: () => Promise<void>;
}

const long = Number(process.env['HBP_KERNEL_CASES'] ?? 0);
const cases = long || shortCases;

/** Those named in HBP_KERNEL_BACKENDS, which must work then; else all, with a reason for each that cannot be tested. */
export async function testedBackends(): Promise<TestedBackend[]> {
  const wanted = process.env['HBP_KERNEL_BACKENDS']?.split(',');
  const backends: TestedBackend[] = [];
  for (const name of ['cpu', 'wasm', 'native', 'webgpu']) {
    if (wanted && !wanted.includes(name)) continue;
    const missing = await whyMissing(name, wanted !== undefined);
    if (wanted && missing) throw new Error(`HBP_KERNEL_BACKENDS asks for ${name}: ${missing}`);
    backends.push({
      name,
      // On cpu only the references are in question, and slow; a webgpu may be one in software.
      cases: name === 'webgpu' || (name === 'cpu' && !long) ? Math.ceil(cases / 5) : cases,
      largeCases: name === 'webgpu' || name === 'cpu' ? 0 : long ? largeCases.long : largeCases.short,
      ...(missing && { missing }),
      activate: () => activate(name),
    });
  }
  return backends;
}

async function activate(name: string): Promise<void> {
  await useBackend('cpu'); // the reference
  if (name === 'native') await activateNative();
  else await useBackend(name as BackendChoice);
  if (tf.getBackend() !== name) throw new Error(`the backend is ${tf.getBackend()}, not ${name}`);
}

async function whyMissing(name: string, named: boolean): Promise<string | undefined> {
  const addon = new URL('../../../native/build/hbp.node', import.meta.url);
  if (name === 'native') return existsSync(addon) ? undefined : 'native/build/hbp.node is not built';
  if (name !== 'webgpu') return undefined;
  // Without a driver the attempt fills the terminal with warnings, and with one there are differences not yet explained.
  if (!named) return 'only if HBP_KERNEL_BACKENDS names it';
  try {
    await activate(name);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
