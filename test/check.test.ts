/** Types, lint and generated documentation, by the very scripts of package.json: `npm test` is red when one of them is. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

test.each(['check:types', 'check:lint', 'check:docs'])('npm run %s', { timeout: 120_000 }, script => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm run ${script}:\n${stdout}${stderr}`);
});
