import { cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { probeBackends, useBackend } from '../engine/backend/index.js';
import { layerSupport, lossSupport } from '../engine/support-table.js';
import { version_core } from '../engine/tf.js';
import { datasetNames, findDataset } from '../lab/datasets/index.js';
import { measureFlops } from '../lab/training/estimate.js';
import { dataDirs, formatTable, print, printJson } from './shared.js';

/** `hbp doctor`: what works on this machine, and why the rest does not. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('show what works on this machine: backends, their speed, datasets')
    .option('--data-dir <dir>', 'where datasets are (also HBP_DATA_DIR)')
    .option('--support', 'show which layers and losses work with which curvature instead')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  hbp doctor\n  hbp doctor --json\n  hbp doctor --support')
    .action(doctor);
}

interface DoctorOptions {
  dataDir?: string;
  json?: true;
  support?: true;
}

async function doctor({ dataDir, json, support }: DoctorOptions): Promise<void> {
  if (support) return printSupport(json);
  const probes = await probeBackends();
  const chosen = await useBackend('auto');
  const flops = await measureFlops();
  const machine = {
    node: process.version,
    tfjs: version_core,
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
  const found = await Promise.all(
    datasetNames.map(async (name) => ({ name, location: await findDataset(name, dataDirs(dataDir)) })),
  );
  if (json) {
    printJson({ machine, backends: probes, auto: { ...chosen, gflops: Math.round(flops / 1e9) }, datasets: found });
    return;
  }
  print(`Node ${machine.node}, TensorFlow.js ${machine.tfjs}, ${machine.cpu}, ${machine.memoryGiB} GiB of memory\n`);
  const rows = probes.map(({ name, works, detail }) => [name, works ? 'works' : 'no', detail]);
  print(formatTable(['backend', '', ''], rows));
  for (const { name, works, needs } of probes) if (!works) print(`${name} needs ${needs}`);
  print(`\n--backend auto takes ${chosen.name}: ${(flops / 1e9).toFixed(0)} GFLOP/s in a matrix product just now\n`);
  const where = found.map(({ name, location }) => [
    name,
    location.state,
    'folder' in location
      ? location.folder
      : location.state === 'missing'
        ? `get it with \`hbp data fetch ${name}\``
        : '',
  ]);
  print(formatTable(['dataset', '', ''], where));
}

async function printSupport(json?: true): Promise<void> {
  await useBackend('cpu'); // of nothing but tiny examples; no need to look for a GPU
  const [layers, losses] = [layerSupport(), lossSupport()];
  if (json) {
    printJson({ layers, losses });
    return;
  }
  print(formatTable(layers.head, layers.rows));
  print('\n-: nothing to compute, the layer has no parameters or is no activation');
  for (const refusal of layers.refusals) print(`no: ${refusal}`);
  print();
  print(formatTable(losses.head, losses.rows));
}
