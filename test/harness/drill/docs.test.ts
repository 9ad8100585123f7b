/** The example of docs/drill.md does what its comments say. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test("the manual's example: run as it stands", () => {
  const text = readFileSync(join(root, 'docs/drill.md'), 'utf8');
  const [, example] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'ringside-drill-'));
  try {
    const file = join(folder, 'example.mts');
    // As where the package is installed.
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules/ringside'));
    writeFileSync(file, example as string);
    const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
    const { stdout, stderr } = spawnSync(process.execPath, [tsx, file], { encoding: 'utf8' });
    expect(stderr.replaceAll(/^npm warn.*\n/gm, '')).toBe('');
    expect(stdout.trim().split('\n')).toEqual(['false', 'true', 'true 0', '100000000', '100000', '[]']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
