/**
 * Probes and measures one backend: `fork(this file, [name, milliseconds, threads])`. A process of its own, as a library
 * that crashes takes its process with it, and one that is loaded stays.
 */
import { type BackendName, type BackendProbe, probeBackend } from '../../engine/backend/index.js';
import { messageOf } from '../../errors.js';
import { measureSpeed, type Speed } from './speed.js';

/** What the process says: first whether the backend works, then how fast it is. */
export type FromProbe =
  | { readonly type: 'probe'; readonly probe: BackendProbe }
  | { readonly type: 'speed'; readonly speed: Speed }
  | { readonly type: 'error'; readonly message: string };

const send = (message: FromProbe): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });

async function main(name: BackendName, milliseconds: number, threads: number): Promise<void> {
  const probe = await probeBackend(name, { threads });
  await send({ type: 'probe', probe });
  if (probe.works && milliseconds > 0) await send({ type: 'speed', speed: await measureSpeed(milliseconds) });
}

const [, , name, milliseconds, threads] = process.argv;
main(name as BackendName, Number(milliseconds), Number(threads))
  .catch((error: unknown) => send({ type: 'error', message: messageOf(error) }))
  .finally(() => process.exit()); // a GPU's library would keep the process alive
