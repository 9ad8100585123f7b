/** Linux's side of a TAP: the namespace, the device, its address; and the removal of whatever of it we made. */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { findTool } from '../../ci/tools.mjs';
import { UsageError } from '../../cli/errors.ts';
import type { Libc } from './libc.ts';
import {
  addNamespace,
  checkNamespaceName,
  inMachinesOwnNetwork,
  inNamespace,
  inUserNamespace,
  ip,
  namespaceInode,
} from './netns.ts';
import { quietIpv6, Tap } from './tap.ts';

export class LinuxSide {
  /** Null: the namespace that this process is in. */
  readonly namespace: string | null;
  /** True: we made the namespace, so we remove it. */
  readonly made: boolean;
  private readonly libc: Libc;
  private readonly inode: number | undefined;
  private readonly taps: Tap[] = [];
  private removed = false;
  private readonly onExit = (): void => this.removeNamespace();

  private constructor(libc: Libc, namespace: string | null, made: boolean) {
    this.libc = libc;
    this.namespace = namespace;
    this.made = made;
    this.inode = namespace === null ? undefined : namespaceInode(namespace);
    // Whatever way the process ends, what it made goes with it.
    if (made) process.on('exit', this.onExit);
  }

  /**
   * Enters nothing and changes nothing but this: makes the namespace when there is none of that name.
   * @throws UsageError
   */
  static open(libc: Libc, namespace: string | null): LinuxSide {
    if (namespace === null) {
      if (inMachinesOwnNetwork()) {
        throw new UsageError(
          "this is the machine's own network: name a namespace with --netns (it is made if it is missing), or start under unshare -Urn",
        );
      }
      return new LinuxSide(libc, null, false);
    }
    checkNamespaceName(namespace);
    if (namespaceInode(namespace) !== undefined) return new LinuxSide(libc, namespace, false);
    addNamespace(namespace);
    const side = new LinuxSide(libc, namespace, true);
    try {
      side.ip(['link', 'set', 'lo', 'up'], `lo in ${namespace} cannot be set up`);
    } catch (error) {
      side.removeNamespace();
      throw error;
    }
    return side;
  }

  /** Runs `ip` there. @throws UsageError */
  ip(args: readonly string[], what: string): string {
    return ip(this.namespace === null ? args : ['-n', this.namespace, ...args], what);
  }

  /** Makes a TAP with an address there, and sets it up. @throws UsageError, with nothing of it left */
  addTap(name: string, address: string, node?: string): Tap {
    const tap = inNamespace(this.libc, this.namespace, () => {
      const made = Tap.open(this.libc, name, node);
      quietIpv6(name);
      return made;
    });
    this.taps.push(tap);
    this.ip(['address', 'add', address, 'dev', name], `${name} cannot have the address ${address}`);
    this.ip(['link', 'set', name, 'up'], `${name} cannot be set up`);
    return tap;
  }

  /** Starts a program there. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return inNamespace(this.libc, this.namespace, () => spawn(program, args, options));
  }

  /** True when Linux gets an answer to one echo within a second. */
  async pings(address: string): Promise<boolean> {
    const program = findTool('ping');
    if (program === undefined) {
      throw new UsageError('the program ping is not installed (Debian: apt-get install iputils-ping)');
    }
    const child = this.spawn(program, ['-n', '-q', '-c', '1', '-W', '1', address], { stdio: 'ignore' });
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', code => resolve(code === 0));
    });
  }

  /** A line for the user: how to run a program there from another shell. */
  hint(command: string): string {
    if (this.namespace !== null) return `ip netns exec ${this.namespace} ${command}`;
    const user = inUserNamespace() ? '-U ' : '';
    const keep = inUserNamespace() ? '--preserve-credentials ' : '';
    return `nsenter -t ${process.pid} ${user}-n ${keep}${command}`;
  }

  /** What has happened to the namespace, if it is not there any more. */
  watch(): string | undefined {
    if (this.namespace === null || namespaceInode(this.namespace) === this.inode) return undefined;
    return `the namespace ${this.namespace} was deleted`;
  }

  /** Removes what we made. */
  async remove(): Promise<void> {
    await Promise.all(this.taps.map(tap => tap.close()));
    this.removeNamespace();
  }

  private removeNamespace(): void {
    const { namespace } = this;
    process.off('exit', this.onExit);
    if (!this.made || this.removed || namespace === null) return;
    this.removed = true;
    // Deleted meanwhile, perhaps made anew by somebody else: then it is not ours.
    if (namespaceInode(namespace) !== this.inode) return;
    const { status, stderr } = spawnSync(findTool('ip') ?? 'ip', ['netns', 'del', namespace], { encoding: 'utf8' });
    if (status !== 0) process.stderr.write(`ringside: namespace ${namespace} cannot be removed: ${stderr.trim()}\n`);
  }
}
