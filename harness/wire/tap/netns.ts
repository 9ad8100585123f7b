/** Network namespaces: to make and remove them, and to do something inside one. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../ci/tools.mjs';
import { UsageError } from '../../cli/errors.ts';
import { describeErrno, type Libc } from './libc.ts';

const CLONE_NEWNET = 0x40000000;
/** Where `ip netns` keeps the names. */
const NAMES = '/var/run/netns';

/** Names that a file of that folder can have, and that are no option and need no quoting. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

export function checkNamespaceName(name: string): string {
  if (!NAME.test(name)) throw new UsageError(`"${name}" cannot be a namespace's name: letters, digits, _ . - expected`);
  return name;
}

const pathOf = (name: string): string => join(NAMES, name);

/** The identity of a namespace: the same number as long as it is the same one. Undefined: there is none of that name. */
export function namespaceInode(name: string): number | undefined {
  try {
    return statSync(pathOf(name)).ino;
  } catch {
    return undefined;
  }
}

/** True when this process's network is that of the machine (of PID 1), where nothing shall be set up by mistake. */
export function inMachinesOwnNetwork(): boolean {
  try {
    return readlinkSync('/proc/1/ns/net') === readlinkSync('/proc/self/ns/net');
  } catch {
    // Not allowed to look: we are inside a user namespace, or somebody's ordinary user.
    return !inUserNamespace();
  }
}

/** True below `unshare -U`: only a part of all user numbers is mapped. */
export function inUserNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/user') !== 'user:[4026531837]';
  } catch {
    return false;
  }
}

/** Runs `ip` with the arguments. @throws UsageError with what `ip` said */
export function ip(args: readonly string[], what: string): string {
  const program = findTool('ip');
  if (program === undefined) throw new UsageError('the program ip is not installed (Debian: apt-get install iproute2)');
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) {
    const said = (error?.message ?? stderr).trim().replaceAll(/\s*\n\s*/g, '; ');
    throw new UsageError(`${what}: ip ${args.join(' ')}: ${said || `status ${status}`}`);
  }
  return stdout;
}

export function addNamespace(name: string): void {
  ip(['netns', 'add', name], `namespace ${name} cannot be made`);
}

/**
 * Runs `work` with this thread inside the namespace (null: where it is). `work` is synchronous: nothing else runs in
 * between, and what it opens or starts stays in the namespace.
 */
export function inNamespace<T>(libc: Libc, name: string | null, work: () => T): T {
  if (name === null) return work();
  let target: number;
  try {
    target = openSync(pathOf(name), 'r');
  } catch (error) {
    throw new UsageError(`there is no namespace ${name}`, { cause: error });
  }
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const entered = libc.setns(target, CLONE_NEWNET);
    if (entered < 0) {
      throw new UsageError(`namespace ${name} cannot be entered (${describeErrno(-entered)}): it takes root`);
    }
    let result: T;
    try {
      result = work();
    } catch (error) {
      leave(libc, own, name);
      throw error;
    }
    leave(libc, own, name);
    return result;
  } finally {
    closeSync(own);
    closeSync(target);
  }
}

/** Going on in the wrong network would be worse than any end: this one does not fail quietly. */
function leave(libc: Libc, own: number, name: string): void {
  const back = libc.setns(own, CLONE_NEWNET);
  if (back < 0) throw new Error(`no way back from namespace ${name}: ${describeErrno(-back)}`);
}
