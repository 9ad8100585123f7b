/** The only place where tests are skipped: see the tidy test. */

import { createRequire } from 'node:module';
import { test } from 'vitest';
import { findTool, tapProblem } from '../harness/ci/tools.mjs';

/**
 * `test`, but skipped where a program is missing that harness/ci/tools.mjs lists. `npm test` has said so loudly before,
 * and has tried to install it; with CI set, a missing program makes the test fail.
 */
export function testWith(tool: string): typeof test {
  if (process.env.CI) return test;
  return test.skipIf(findTool(tool) === undefined) as typeof test;
}

/**
 * `test`, but skipped where no TAP device in a namespace can be made. As above: `npm test` has said so, and in CI the
 * test fails instead.
 */
export function testOnTap(): typeof test {
  if (process.env.CI) return test;
  return test.skipIf(tapProblem() !== undefined) as typeof test;
}

/** `test`, but skipped where there is no Linux, or no koffi to call it with. In CI the test fails instead. */
export function testOnLinux(): typeof test {
  if (process.env.CI) return test;
  return test.skipIf(process.platform !== 'linux' || !hasKoffi()) as typeof test;
}

function hasKoffi(): boolean {
  try {
    createRequire(import.meta.url).resolve('koffi');
    return true;
  } catch {
    return false;
  }
}
