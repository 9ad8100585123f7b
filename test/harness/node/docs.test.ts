/** docs/http.md quotes the example as it is, and says what it prints. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test("the manual's example: the file's text, and the output it promises", () => {
  const text = readFileSync(join(root, 'docs/http.md'), 'utf8');
  const file = join(root, 'harness/node/example.ts');
  const [, quoted] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
  const [, promised] = /It prints\n\n```\n([\s\S]*?)run hash/.exec(text) ?? [];
  const source = readFileSync(file, 'utf8');
  expect(source.slice(source.indexOf('import http'))).toBe(quoted);
  const run = spawnSync(process.execPath, [join(root, 'node_modules/tsx/dist/cli.mjs'), file], { encoding: 'utf8' });
  expect(run.stdout).toMatch(/run hash: [0-9a-f]{64}\n$/);
  expect(run.stdout.slice(0, run.stdout.indexOf('run hash'))).toBe(promised);
});
