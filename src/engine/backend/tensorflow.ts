import { availableParallelism } from 'node:os';
import { messageOf } from '../../errors.js';
import * as tf from '../tf.js';
import { type Activation, type Backend, firstLine, startBackend, Unavailable } from './candidate.js';
import { importOptional, NotLoaded, packageVersion } from './optional.js';

/** In the order in which they are tried. Both bring the backend `tensorflow`. */
const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
type Package = (typeof packages)[number];

/** The part of tfjs-node's backend that is looked at here. */
interface NodeBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

/**
 * TensorFlow's C library through tfjs-node-gpu, else tfjs-node.
 *
 * @throws Unavailable  why each of the packages does not work here
 */
export async function activateTensorflow({ threads }: Activation): Promise<Omit<Backend, 'name'>> {
  await prepare(threads);
  const failures: Unavailable[] = [];
  for (const name of packages) {
    try {
      await load(name);
      return describe(name, threads);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      failures.push(error);
    }
  }
  const absent = failures.every(({ remedy }) => remedy === installRemedy);
  const reason = absent
    ? `neither ${packages.join(' nor ')} is installed`
    : failures.map(({ message }) => message).join('; ');
  // What is installed and fails says more than what is not there.
  const remedy = failures.find(({ remedy }) => remedy !== installRemedy) ?? failures[0]!;
  throw new Unavailable(reason, remedy.remedy, { cause: failures });
}

/** npm drops an optional package whose install script fails without a word, unless its scripts are shown. */
const installRemedy = `npm install --no-save --foreground-scripts ${packages[0]}@4.22.0`;
const gpuRemedy =
  'install CUDA 11.2 and cuDNN 8.1, which libtensorflow 2.9 was built for (newer GPUs do not work with it), or take --backend webgpu';

/** What has to be so before the library is loaded. */
async function prepare(threads: number | undefined): Promise<void> {
  // Node 23 removed a function that tfjs-node 4.22 still calls.
  const util = (await import('node:util')).default as { isNullOrUndefined?: (x: unknown) => boolean };
  util.isNullOrUndefined ??= (x) => x === null || x === undefined;
  // TensorFlow would take all memory of the GPU at once and leave none to a second run.
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '1'; // no greetings on the terminal, warnings and errors only
  if (threads !== undefined) process.env['TF_NUM_INTRAOP_THREADS'] ??= String(threads);
}

async function load(name: Package): Promise<void> {
  try {
    await importOptional(name);
  } catch (error) {
    const kind = error instanceof NotLoaded ? error.kind : 'other';
    throw new Unavailable(firstLine(messageOf(error)), remedyFor(name, kind), { cause: error });
  }
  if (!tf.findBackendFactory('tensorflow')) {
    throw new Unavailable(
      `${name} loads, but registers its backend with another copy of @tensorflow/tfjs-core than hbp uses`,
      `npm dedupe (\`npm ls @tensorflow/tfjs-core\` shows the copies: all must be ${tf.version_core})`,
    );
  }
  try {
    await startBackend('tensorflow');
  } catch (error) {
    tf.removeBackend('tensorflow'); // else the next package could not register its own
    throw new Unavailable(
      `${name} loads, but its backend does not start: ${firstLine(messageOf(error))}`,
      rebuild(name),
      { cause: error },
    );
  }
}

function describe(name: Package, threads: number | undefined): Omit<Backend, 'name'> {
  const { isUsingGpuDevice: gpu = false, binding } = tf.backend() as NodeBackend;
  const library = binding?.TF_Version === undefined ? '' : `, libtensorflow ${binding.TF_Version}`;
  const onCpuInstead = name === '@tensorflow/tfjs-node-gpu' && !gpu;
  return {
    description: `${name}, ${gpu ? 'GPU' : 'CPU'}`,
    gpu,
    threads: threads ?? availableParallelism(),
    version: `${packageVersion(name)}${library}`,
    ...(gpu && { adapter: 'CUDA device' }),
    ...(onCpuInstead && { caveat: { reason: `${name} finds no GPU and runs on the CPU`, remedy: gpuRemedy } }),
  };
}

function remedyFor(name: Package, kind: NotLoaded['kind']): string {
  return kind === 'not installed' ? installRemedy : rebuild(name);
}

function rebuild(name: Package): string {
  return `npm rebuild ${name} --build-addon-from-source`;
}
