/** The subcommands, in the order in which `ringside --help` lists them. */

import type { RegisterCommand } from '../cli/main.ts';
import { registerTrace } from './trace.ts';

export const registerCommands: readonly RegisterCommand[] = [registerTrace];
