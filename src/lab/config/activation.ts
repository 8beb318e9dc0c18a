import { ConfigError } from '../../errors.js';
import type { Activation, Experiment, ModelSpec } from './schema.js';

/**
 * The experiment with another activation in all of its networks, called `exp08-relu`, so that its runs and figures have
 * folders of their own; itself where nothing changes. Its own figures stay away, since they carry the original's file
 * names; every metric is drawn anyway.
 *
 * @throws ConfigError  a grid of the experiment varies the activation itself
 */
export function withActivation(experiment: Experiment, activation: Activation): Experiment {
  const varied = Object.entries(experiment.variants).find(([, { grid = {} }]) => 'model.activation' in grid);
  if (varied) {
    throw new ConfigError(
      `${experiment.name}: the grid of "${varied[0]}" varies the activation: none can be given for all`,
    );
  }
  const variants = Object.entries(experiment.variants);
  const models = [experiment.model, ...variants.map(([, { model = experiment.model }]) => model)];
  if (models.every((model) => activationOf(model) === activation)) return experiment;
  return {
    ...experiment,
    name: `${experiment.name}-${activation}`,
    title: `${experiment.title}, ${activation}`,
    model: changed(experiment.model, activation),
    variants: Object.fromEntries(
      variants.map(([name, variant]) => [
        name,
        { ...variant, ...(variant.model && { model: changed(variant.model, activation) }) },
      ]),
    ),
    figures: [],
  };
}

function activationOf(model: ModelSpec): Activation {
  return typeof model === 'string' ? 'sigmoid' : model.activation;
}

function changed(model: ModelSpec, activation: Activation): ModelSpec {
  return typeof model === 'string' ? { network: model, activation } : { ...model, activation };
}
