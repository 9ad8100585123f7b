#!/usr/bin/env node
// The installed command. Sources are TypeScript and stay so: tsx, found from here whatever the working directory is, loads them.
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
