#!/usr/bin/env node
// The installed command. Sources are TypeScript and stay so: tsx, found from here whatever the working directory is, loads them.
import { setFlagsFromString } from 'node:v8';

// A packet's way is a hundred small functions: V8's inlining budgets are for programs that have one hot loop. Worth a
// tenth of the time per packet (`ringside bench udp64 tcp-bulk`); a flag that a V8 does not know is named on stderr, no more.
for (const flag of [
  '--max-inlined-bytecode-size=1000',
  '--max-inlined-bytecode-size-cumulative=2000',
  '--min-inlining-frequency=0.05',
]) {
  setFlagsFromString(flag);
}

let tsx;
try {
  tsx = await import('tsx/esm/api');
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write('ringside: its packages are not installed; run `npm ci` in the checkout first\n');
  process.exit(2);
}
tsx.register();
await import('./cli.ts');
