import { fork } from 'node:child_process';
import type { BackendName, BackendProbe } from '../../engine/backend/index.js';
import { threadEnvironment } from '../../engine/backend/threads.js';
import type { FromProbe } from './probe-process.js';
import type { Speed } from './speed.js';

/** What a backend's own process found out. */
export interface Probed {
  readonly probe: BackendProbe;
  /** Null if it was not measured. */
  readonly speed: Speed | null;
}

export interface ProbeOptions {
  /** For measuring; 0 for not at all. */
  readonly milliseconds: number;
  readonly threads: number;
  /** After so many milliseconds the process is ended. */
  readonly patience: number;
}

const processFile = new URL('./probe-process.js', import.meta.url);

/** Probe a backend in a process of its own. One that crashes, hangs or computes nonsense does not work. */
export function probeApart(name: BackendName, { milliseconds, threads, patience }: ProbeOptions): Promise<Probed> {
  const child = fork(processFile, [name, milliseconds, threads].map(String), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, ...threadEnvironment(threads) },
  });
  let probe: BackendProbe | undefined;
  let speed: Speed | null = null;
  let failure: string | undefined;
  let complaints = '';
  child.stderr?.on('data', (text) => (complaints = (complaints + String(text)).slice(-4000)));
  child.on('message', (message: FromProbe) => {
    if (message.type === 'probe') probe = message.probe;
    else if (message.type === 'speed') speed = message.speed;
    else failure = message.message;
  });
  const timer = setTimeout(() => {
    failure = `did not answer within ${patience / 1000} s`;
    child.kill('SIGKILL');
  }, patience);
  return new Promise((resolve) => {
    const end = (reason: string | undefined): void => {
      clearTimeout(timer);
      if (probe && reason === undefined) return resolve({ probe, speed });
      const doing = probe ? 'it loads, but computing' : 'loading it';
      const fails = {
        works: false,
        reason: `${doing} failed: ${reason}`,
        remedy: probe?.works ? again : remedyOf(probe),
      };
      resolve({ probe: { name, needs: probe?.needs ?? '', ...fails } as BackendProbe, speed: null });
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => {
      // How a process goes down after its last word does not matter.
      const complete = probe !== undefined && (!probe.works || milliseconds === 0 || speed !== null);
      if (complete) return end(undefined);
      const how = signal ? `its process was ended by ${signal}` : `its process ended with exit code ${code}`;
      end(failure ?? [how, tellingLine(complaints)].filter(Boolean).join(': '));
    });
  });
}

const again = 'npm ci (install it anew); until then name another with --backend';

function remedyOf(probe: BackendProbe | undefined): string {
  return probe && !probe.works ? probe.remedy : again;
}

/** The line of an uncaught error, or else the last one. */
function tellingLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.findLast((line) => /^(\w*Error\b|fatal)/i.test(line)) ?? lines.findLast((line) => line !== '') ?? '';
}
