/** The experiments, by name. All take their costs from kernel/costs.ts. */
import { copies } from './copies.ts';
import { type AnyExperiment, anyExperiment } from './experiment.ts';
import { livelock } from './livelock.ts';
import { moderation } from './moderation.ts';
import { steering } from './steering.ts';

export const experiments: readonly AnyExperiment[] = [
  anyExperiment(livelock),
  anyExperiment(moderation),
  anyExperiment(copies),
  anyExperiment(steering),
];
