/** What to type to get runs such as these again. */
import { expandExperiment, variantsOf } from '../config/expand.js';
import type { Experiment } from '../config/schema.js';
import type { RunSpec } from '../config/spec.js';
import type { RunRecord } from '../results/record.js';
import { distinct, ranges } from '../results/remarks.js';
import { specDifferences } from '../results/spec-hash.js';

export interface Commands {
  readonly lines: readonly string[];
  /** Runs whose settings the experiment file no longer gives, one remark each. */
  readonly remarks: readonly string[];
}

/** One `hbp run` for all variants that ran with the same options. */
export function commandsFor(experiment: Experiment, records: readonly RunRecord[]): Commands {
  const groups = new Map<string, RunRecord[]>();
  for (const record of records) {
    const key = optionsOf(experiment, record).join(' ');
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const remarks = distinct(
    records.flatMap((record) => {
      const wanted = wantedSpec(experiment, record.spec);
      const name = `${record.spec.variant}, seed ${record.spec.seed}`;
      if (!wanted) return [`${name}: ${experiment.name} has no such variant any more`];
      const differences = specDifferences(record.spec, wanted);
      return differences.length === 0 ? [] : [`${name}: the file now says otherwise (${differences.join(', ')})`];
    }),
  );
  return { lines: [...groups].flatMap(([options, group]) => linesOf(experiment, options, group)), remarks };
}

function linesOf(experiment: Experiment, options: string, group: readonly RunRecord[]): string[] {
  const variants = distinct(group.map(({ spec }) => spec.variant));
  const seedsOf = (variant: string): string => {
    const seeds = group.filter(({ spec }) => spec.variant === variant).map(({ spec }) => spec.seed);
    return ranges([...seeds].sort((a, b) => a - b))
      .replaceAll('–', '-')
      .replaceAll(' ', '');
  };
  return distinct(variants.map(seedsOf)).map((seeds) => {
    const same = variants.filter((variant) => seedsOf(variant) === seeds);
    return [`hbp run ${experiment.name}`, `--variant ${same.join(' ')}`, `--seeds ${seeds}`, options]
      .filter((part) => part !== '')
      .join(' ');
  });
}

/** Only what is not as the file says; the backend always, since numbers depend on it. */
function optionsOf(experiment: Experiment, { spec, backend, threads, gpu }: RunRecord): string[] {
  const quick = spec.trainSamples !== undefined;
  const variant = variantsOf(experiment).find(({ name }) => name === spec.variant);
  const usual = quick ? experiment.quick.epochs : (variant?.epochs ?? experiment.epochs);
  return [
    ...(quick ? ['--quick'] : []),
    ...(spec.epochs === usual ? [] : [`--epochs ${spec.epochs}`]),
    ...(spec.dataset === experiment.dataset ? [] : [`--dataset ${spec.dataset}`]),
    `--backend ${backend}`,
    ...(gpu === null ? [`--threads ${threads}`] : []),
  ];
}

/** What these options would train now. */
function wantedSpec(experiment: Experiment, spec: RunSpec): RunSpec | undefined {
  const { variant, seed, epochs, dataset } = spec;
  const all = expandExperiment(experiment, {
    ...{ seeds: [seed], epochs, dataset },
    quick: spec.trainSamples !== undefined,
  });
  return all.find((each) => each.variant === variant);
}
