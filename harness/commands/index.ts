/** The subcommands, in the order in which `ringside --help` lists them. */

import type { RegisterCommand } from '../cli/main.ts';

export const registerCommands: readonly RegisterCommand[] = [];
