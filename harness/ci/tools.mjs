/**
 * The programs outside npm that test suites ask for. Plain JavaScript: `npm test` starts with it, and it has to be quick.
 */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @typedef {object} Tool
 * @property {string} name - the program
 * @property {string} debianPackage
 * @property {string} neededFor - what is skipped without it
 */

/** @type {readonly Tool[]} */
export const TOOLS = [
  { name: 'tcpdump', debianPackage: 'tcpdump', neededFor: 'that captures we write are read alike by tcpdump' },
];

/** Debian keeps some of these where an ordinary user's PATH does not look. */
const ALSO_IN = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/**
 * @param {string} name
 * @returns {string | undefined} the program's path
 */
export function findTool(name) {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...ALSO_IN]) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not there, or not ours to run: look on.
    }
  }
  return undefined;
}
