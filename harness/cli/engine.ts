/** What the commands that run for long ask of V8. */

import { setFlagsFromString } from 'node:v8';

/**
 * A packet's way is some hundred small functions. V8 stops to inline at 920 bytes of bytecode in one, and leaves out calls
 * that only some packets make: with these a TCP segment takes 0.85 of its time, a UDP frame of 64 bytes as well. They cost
 * a command that is over in a second or two a third more, for the compiling; so only those that last ask for it, before
 * they begin. A library leaves its host's engine alone.
 */
export function forLongRuns(): void {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
  setFlagsFromString('--min-inlining-frequency=0.05');
}
