/** The command `ringside`. Imported by ringside.mjs, or run by `npx tsx harness/cli.ts`. */

import { runProcess } from './cli/main.ts';
import { registerCommands } from './commands/index.ts';

await runProcess(registerCommands);
