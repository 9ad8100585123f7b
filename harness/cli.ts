/** The command `ringside`. Imported by ringside.mjs, or run by `npx tsx harness/cli.ts`. */

import { setFlagsFromString } from 'node:v8';
import { runProcess } from './cli/main.ts';
import { registerCommands } from './commands/index.ts';

// A packet's way is some hundred small functions. V8 stops to inline at 920 bytes of bytecode in one; four times that saves
// a seventh of the time of a TCP segment. Only here: a library leaves its host's engine alone.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');

await runProcess(registerCommands);
