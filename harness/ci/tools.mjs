/**
 * The programs outside npm that test suites ask for. Plain JavaScript: `npm test` starts with it, and it has to be quick.
 */

import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
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
  { name: 'ip', debianPackage: 'iproute2', neededFor: 'the real Linux at the other end (test/interop)' },
  { name: 'ping', debianPackage: 'iputils-ping', neededFor: 'that Linux gets answers to ping' },
  { name: 'arping', debianPackage: 'iputils-arping', neededFor: 'that Linux gets answers to arping' },
  { name: 'nmap', debianPackage: 'nmap', neededFor: 'that nmap sees what it sees of a Linux host' },
  { name: 'python3', debianPackage: 'python3', neededFor: 'that sockets of Linux hear the same errors of our host' },
  { name: 'traceroute', debianPackage: 'traceroute', neededFor: 'that Linux finds the way through our router' },
  {
    name: 'iptables-legacy',
    debianPackage: 'iptables',
    neededFor: 'that rules of a real Linux restore here, and ours there',
  },
  { name: 'curl', debianPackage: 'curl', neededFor: 'that a real client gets files over our TCP' },
  { name: 'iperf3', debianPackage: 'iperf3', neededFor: 'that a real iperf3 measures our TCP, both ways' },
  { name: 'nmap', debianPackage: 'nmap', neededFor: 'that our host survives a port scan and OS detection' },
  { name: 'nc', debianPackage: 'netcat-openbsd', neededFor: 'that netcat moves data to and from our host' },
  { name: 'ss', debianPackage: 'iproute2', neededFor: 'what Linux says of its connections with us' },
  { name: 'unshare', debianPackage: 'util-linux', neededFor: 'that attach works without root' },
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

/** The device node of the TAP driver. */
export const TUN = '/dev/net/tun';

/**
 * Why tests against the real Linux cannot run here; undefined when they can.
 *
 * @returns {string | undefined}
 */
export function tapProblem() {
  if (process.platform !== 'linux') return 'this is not Linux';
  try {
    closeSync(openSync(TUN, 'r+'));
  } catch (error) {
    return `${TUN} cannot be opened (${/** @type {NodeJS.ErrnoException} */ (error).code})`;
  }
  // A namespace with a name takes a mount too: root in a container has often neither right.
  const { status } = spawnSync(findTool('unshare') ?? 'unshare', ['--net', '--mount', 'true'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'there is no right to make a network namespace: run as root';
}
