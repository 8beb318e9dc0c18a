/** The pictures that steps are taken on. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Dataset } from '../../dist/lab/datasets/dataset.js';
import { findDataset, loadDataset } from '../../dist/lab/datasets/index.js';
import { say } from '../say.js';

/** Where `hbp data fetch` puts them. */
const usual = fileURLToPath(new URL('../../data/datasets', import.meta.url));

/** CIFAR-10 if it is here, else generated pictures of that size, which it says. */
export async function loadPictures(dataDir: string | undefined, trainSamples?: number): Promise<Dataset> {
  const dataDirs = [...(dataDir === undefined ? [] : [resolve(dataDir.replace(/^~(?=\/)/, homedir()))]), usual];
  const found = await findDataset('cifar10', dataDirs);
  if (found.state !== 'missing') return loadDataset('cifar10', { dataDirs, trainSamples });
  say(`cifar10 is not in ${dataDirs.join(' or ')}: generated pictures instead`);
  return loadDataset('synthetic-cifar10', { dataDirs, trainSamples });
}
