import { useBackend } from '../../engine/backend/index.js';
import { layerSupport, lossSupport } from '../../engine/support-table.js';
import { formatTable, print, printJson } from '../shared.js';

/** `hbp doctor --support`: which layers and losses work with which curvature. */
export async function printSupport(json?: true): Promise<void> {
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
