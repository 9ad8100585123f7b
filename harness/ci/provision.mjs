#!/usr/bin/env node
/**
 * Run by `npm test` before the tests: sees to it that the programs of tools.mjs are there.
 *
 * On Debian and as root it installs what is missing. Otherwise it says what will be skipped; with CI set, where nothing may
 * be skipped, it fails.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { findTool, TOOLS, TUN, tapProblem } from './tools.mjs';

const missingTools = () => TOOLS.filter(tool => findTool(tool.name) === undefined);

/** @param {string[]} args */
function aptGet(args) {
  const { status, error, stderr } = spawnSync('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  return { ok: status === 0, message: error?.message ?? stderr.trim() };
}

let missing = missingTools();
let reason = '';
if (missing.length > 0) {
  if (!existsSync('/etc/debian_version')) reason = 'this is not Debian';
  else if (process.getuid?.() !== 0) reason = 'only root can install it';
  else {
    const packages = missing.map(tool => tool.debianPackage);
    console.error(`provision: installing ${packages.join(', ')} with apt-get`);
    const install = ['install', '-y', '--no-install-recommends', ...packages];
    // Package lists may be absent (containers) or old: fetch them only when the first try fails.
    if (!aptGet(install).ok) {
      const updated = aptGet(['update']);
      const installed = aptGet(install);
      if (!installed.ok) reason = `apt-get failed: ${installed.message || updated.message}`;
    }
    missing = missingTools();
    if (missing.length > 0 && reason === '') reason = 'its package does not have it';
  }
}
for (const tool of missing) {
  console.error(`provision: ${tool.name} is missing, because ${reason}. NOT TESTED without it: ${tool.neededFor}.`);
  console.error(`provision: on Debian: apt-get install ${tool.debianPackage}`);
}
if (missing.length > 0 && process.env.CI) {
  console.error('provision: in CI nothing is skipped');
  process.exitCode = 1;
}

// The TAP device's node: udev makes it on ordinary machines, containers and bare ones lack it.
if (process.platform === 'linux' && process.getuid?.() === 0 && !existsSync(TUN)) {
  console.error(`provision: making ${TUN}`);
  mkdirSync(dirname(TUN), { recursive: true });
  spawnSync('mknod', [TUN, 'c', '10', '200']);
  spawnSync('modprobe', ['tun'], { stdio: 'ignore' });
}
const problem = tapProblem();
if (problem !== undefined) {
  console.error(`provision: ${problem}. NOT TESTED without it: the real Linux at the other end (test/interop).`);
  if (process.env.CI) {
    console.error('provision: in CI nothing is skipped');
    process.exitCode = 1;
  }
}
