/** The subcommands, in the order in which `ringside --help` lists them. */

import type { RegisterCommand } from '../cli/main.ts';
import { registerAttach } from './attach.ts';
import { registerBench } from './bench.ts';
import { registerDrill } from './drill.ts';
import { registerExperiment } from './experiment.ts';
import { registerQtest } from './qtest.ts';
import { registerStart } from './start.ts';
import { registerTrace } from './trace.ts';
import { registerVectors } from './vectors.ts';

export const registerCommands: readonly RegisterCommand[] = [
  registerStart,
  registerTrace,
  registerAttach,
  registerVectors,
  registerQtest,
  registerDrill,
  registerExperiment,
  registerBench,
];
