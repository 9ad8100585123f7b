/** The command `ringside`. Imported by ringside.mjs, or run by `npx tsx harness/cli.ts`. */

import { setFlagsFromString } from 'node:v8';
import { runProcess } from './cli/main.ts';
import { registerCommands } from './commands/index.ts';

// A packet's way is some hundred small functions. V8 stops to inline at 920 bytes of bytecode in one, and leaves out calls
// that only some packets make: with these a TCP segment takes 0.87 of its time, a UDP frame of 64 bytes 0.85; a larger
// --max-inlined-bytecode-size gives nothing more. Only here: a library leaves its host's engine alone.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
setFlagsFromString('--min-inlining-frequency=0.05');

await runProcess(registerCommands);
