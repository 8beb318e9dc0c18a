import { readFileSync } from 'node:fs';
import { arch, freemem, release, totalmem, type } from 'node:os';
import { version_core } from '../../engine/tf.js';
import { estimatePeak, type Peak } from './peak.js';
import { findProcessor, type Processor } from './processor.js';

export interface Machine {
  readonly hbp: string;
  readonly node: string;
  readonly tfjs: string;
  readonly system: string;
  readonly arch: string;
  readonly processor: Processor;
  readonly peak: Peak | null;
  /** Bytes; a limit on this process counts. */
  readonly memory: { readonly total: number; readonly available: number };
}

export function findMachine(): Machine {
  const processor = findProcessor();
  return {
    hbp: hbpVersion(),
    node: process.version,
    tfjs: version_core,
    system: systemName(),
    arch: arch(),
    processor,
    peak: estimatePeak(processor),
    memory: findMemory(),
  };
}

function hbpVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** `Debian GNU/Linux 12 (bookworm), Linux 6.1.0`. */
function systemName(): string {
  const name = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(textOf('/etc/os-release'))?.[1];
  return [name, `${type()} ${release()}`].filter(Boolean).join(', ');
}

function findMemory(): Machine['memory'] {
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(textOf('/proc/meminfo'))?.[1];
  const available = kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
  return { total, available: Math.min(total, available) };
}

/** Empty where there is no such file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
