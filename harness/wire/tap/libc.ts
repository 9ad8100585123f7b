/**
 * The few calls of libc that Node does not offer, through koffi: an optional dependency, loaded here and nowhere else,
 * when a TAP is wanted.
 */
import { getSystemErrorMap } from 'node:util';
import { UsageError } from '../../cli/errors.ts';

/** Errno values on Linux, the same on every architecture that Node runs on. */
export const EIO = 5;
export const EAGAIN = 11;
export const EBUSY = 16;
export const EBADFD = 77;

export const POLLIN = 0x001;
/** `struct pollfd`: int fd, short events, short revents. */
export const POLLFD_SIZE = 8;
export const POLLFD_REVENTS = 6;

export interface Libc {
  /** Each returns what C's function does, or the negative errno. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  setns(fd: number, kind: number): number;
  read(fd: number, into: Uint8Array, length: number): number;
  write(fd: number, from: Uint8Array, length: number): number;
  /** 0: no device of that name in the calling thread's namespace. */
  ifNameToIndex(name: string): number;
  /** Waits in a thread of the pool. Keeps `fds` in use until it resolves. */
  poll(fds: Uint8Array, count: number, timeoutMs: number): Promise<number>;
}

/** What an errno is called and means: `EBUSY: resource busy or locked`. */
export function describeErrno(errno: number): string {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown'];
  return `${name}: ${text}`;
}

let loaded: Libc | null = null;

/** @throws UsageError where koffi is missing or this is not Linux */
export async function loadLibc(): Promise<Libc> {
  if (loaded !== null) return loaded;
  if (process.platform !== 'linux') throw new UsageError('a TAP device needs Linux');
  let koffi: Pick<typeof import('koffi'), 'load' | 'errno'>;
  try {
    koffi = (await import('koffi')).default;
  } catch (error) {
    throw new UsageError('a TAP device needs the package koffi, which is not installed: npm install koffi', {
      cause: error,
    });
  }
  const self = koffi.load(null);
  const ioctl = self.func('int ioctl(int fd, unsigned long request, ...)');
  const setns = self.func('int setns(int fd, int kind)');
  const read = self.func('long read(int fd, void *into, unsigned long length)');
  const write = self.func('long write(int fd, void *from, unsigned long length)');
  const ifNameToIndex = self.func('unsigned int if_nametoindex(const char *name)');
  const poll = self.func('int poll(void *fds, unsigned long count, int timeout)');
  const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);
  loaded = {
    ioctl: (fd, request, argument) => checked(ioctl(fd, request, 'void *', argument) as number),
    setns: (fd, kind) => checked(setns(fd, kind) as number),
    read: (fd, into, length) => checked(read(fd, into, length) as number),
    write: (fd, from, length) => checked(write(fd, from, length) as number),
    ifNameToIndex: name => ifNameToIndex(name) as number,
    poll: (fds, count, timeoutMs) =>
      new Promise((resolve, reject) => {
        poll.async(fds, count, timeoutMs, (error: unknown, result: number) => {
          if (error === null || error === undefined) resolve(result);
          else reject(error);
        });
      }),
  };
  return loaded;
}
