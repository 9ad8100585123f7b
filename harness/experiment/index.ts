/** The experiments, by name. All take their costs from kernel/costs.ts. */
import { copies } from './copies.ts';
import type { Experiment } from './experiment.ts';
import { livelock } from './livelock.ts';
import { moderation } from './moderation.ts';
import { steering } from './steering.ts';

// biome-ignore lint/suspicious/noExplicitAny: each knows its own points; nobody here looks into them.
export const experiments: readonly Experiment<any>[] = [livelock, moderation, copies, steering];
