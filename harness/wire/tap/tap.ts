/**
 * A TAP device: Linux's end is a network interface, ours a file descriptor on which one read or write is one Ethernet
 * frame without FCS. Waiting is done by poll() in a thread of the pool, then everything there is gets read without
 * blocking: one wake-up per burst, not per frame.
 */
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { describeSystemError, UsageError } from '../../cli/errors.ts';
import { describeErrno, EAGAIN, EBADFD, EBUSY, EIO, type Libc, POLLFD_REVENTS, POLLFD_SIZE, POLLIN } from './libc.ts';

const TUNSETIFF = 0x400454ca;
const IFREQ_SIZE = 40;
const IFREQ_FLAGS = 16;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
/** Refuse a device that exists. */
const IFF_TUN_EXCL = 0x8000;

export const TUN_NODE = '/dev/net/tun';
/** Longest name of an interface. */
const NAME_MAX = 15;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** How long a wait in the thread lasts at most: an end of the process has to wait for it. */
const POLL_MS = 200;
/**
 * So long after a frame it is looked for the next one in every turn of the event loop, before the thread is asked to
 * wait: the way there and back takes as long as many frames do, on a busy machine many times as long.
 */
const LOOK_MS = 0.5;
/** Frames read in one go. */
const BATCH = 256;
/** More than any frame of any MTU. */
const FRAME_MAX = 65536 + 18;

export function checkDeviceName(name: string): string {
  if (!NAME.test(name) || name.length > NAME_MAX) {
    throw new UsageError(`"${name}" cannot be a device's name: up to ${NAME_MAX} letters, digits, _ . - expected`);
  }
  return name;
}

/** What the owner of a TAP wants to know. */
export interface TapUser {
  /** A frame from Linux: `bytes[0 .. length)`, valid during the call. */
  frame(bytes: Buffer, length: number): void;
  /** After the last frame of a batch. */
  batch(): void;
  /** True: no more now, leave frames in Linux's queue (where it counts what it has to drop). */
  full(): boolean;
  /** The device does not exist any more. */
  gone(): void;
  /** Reading, or `frame`, threw: nothing more is read. */
  failed(error: unknown): void;
}

export class Tap {
  readonly name: string;
  /** Frames read and written. */
  received = 0;
  sent = 0;
  /** Frames that could not be written: Linux's queue was full; the device was down; anything else. */
  refusedFull = 0;
  refusedDown = 0;
  refusedOther = 0;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly buffer = Buffer.allocUnsafeSlow(FRAME_MAX);
  private pumping: Promise<void> | null = null;
  private closing = false;

  private constructor(libc: Libc, name: string, fd: number) {
    this.libc = libc;
    this.name = name;
    this.fd = fd;
  }

  /**
   * Makes the device in the namespace of the calling thread. It lives until `close`, or until the process ends.
   * @throws UsageError
   */
  static open(libc: Libc, name: string, node: string = TUN_NODE): Tap {
    checkDeviceName(name);
    let fd: number;
    try {
      fd = openSync(node, constants.O_RDWR | constants.O_NONBLOCK);
    } catch (error) {
      throw new UsageError(cannotOpen(node, error), { cause: error });
    }
    const ifreq = Buffer.alloc(IFREQ_SIZE);
    ifreq.write(name, 'latin1');
    ifreq.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL, IFREQ_FLAGS);
    const result = libc.ifNameToIndex(name) !== 0 ? -EBUSY : libc.ioctl(fd, TUNSETIFF, ifreq);
    if (result < 0) {
      closeSync(fd);
      throw new UsageError(cannotMake(name, node, -result));
    }
    return new Tap(libc, name, fd);
  }

  /** Begins to read. */
  start(user: TapUser): void {
    this.pumping = this.pump(user).catch(error => user.failed(error));
  }

  /** A frame to Linux. False: it was not taken, and has been counted. */
  write(frame: Uint8Array, length: number): boolean {
    const result = this.libc.write(this.fd, frame, length);
    if (result === length) {
      this.sent++;
      return true;
    }
    if (result === -EAGAIN) this.refusedFull++;
    else if (result === -EIO) this.refusedDown++;
    else this.refusedOther++;
    return false;
  }

  /** Frames that Linux did not take. */
  get refused(): number {
    return this.refusedFull + this.refusedDown + this.refusedOther;
  }

  /** Ends reading, and gives the device up: it vanishes. Takes up to 200 ms. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.pumping;
    closeSync(this.fd);
  }

  private async pump(user: TapUser): Promise<void> {
    const pollfd = Buffer.alloc(POLLFD_SIZE);
    pollfd.writeInt32LE(this.fd, 0);
    pollfd.writeInt16LE(POLLIN, 4);
    let last = 0;
    while (!this.closing) {
      const frames = user.full() ? BATCH : this.drain(user);
      if (frames < 0) {
        user.gone();
        return;
      }
      const now = performance.now();
      if (frames > 0) last = now;
      if (now - last < LOOK_MS) {
        // There may be more: but first the others get their turn.
        await new Promise(setImmediate);
        continue;
      }
      pollfd.writeInt16LE(0, POLLFD_REVENTS);
      await this.libc.poll(pollfd, 1, POLL_MS);
    }
  }

  /** Reads what there is, up to a batch. Returns how many, or -1 when the device is gone. */
  private drain(user: TapUser): number {
    const { libc, fd, buffer } = this;
    let frames = 0;
    let gone = false;
    while (frames < BATCH) {
      const length = libc.read(fd, buffer, FRAME_MAX);
      if (length < 0) {
        // A device that is down has nothing to read, and says so like an idle one.
        if (length === -EAGAIN || length === -EIO) break;
        if (length !== -EBADFD) throw new Error(`reading from ${this.name}: ${describeErrno(-length)}`);
        gone = true;
        break;
      }
      frames++;
      user.frame(buffer, length);
    }
    this.received += frames;
    if (frames > 0) user.batch();
    return gone ? -1 : frames;
  }
}

function cannotOpen(node: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `${node} does not exist: this machine has no TAP devices (as root: modprobe tun; mkdir -p /dev/net; mknod /dev/net/tun c 10 200; chmod 0666 /dev/net/tun)`;
    case 'EACCES':
    case 'EPERM':
      return `${node} may not be opened by this user (as root: chmod 0666 ${node})`;
    case 'ENODEV':
    case 'ENXIO':
      return `${node} has no driver behind it (as root: modprobe tun)`;
    default:
      return `${node} cannot be opened: ${describeSystemError(error)}`;
  }
}

function cannotMake(name: string, node: string, errno: number): string {
  switch (describeErrno(errno).split(':')[0]) {
    case 'EBUSY':
      return `a device ${name} exists already: name another one with --dev`;
    case 'EPERM':
      return `no right to make the device ${name}: run it as root with --netns, or as anybody under unshare -Urn`;
    case 'ENOTTY':
      return `${node} is not a TUN/TAP device`;
    default:
      return `the device ${name} cannot be made: ${describeErrno(errno)}`;
  }
}

/** Keeps Linux from speaking IPv6 on a device, in the namespace of the calling thread. Best effort: it is only noise. */
export function quietIpv6(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
  } catch {
    // A kernel without IPv6, or a container without a writable /proc/sys.
  }
}
