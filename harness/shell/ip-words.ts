/** What the parts of `ip` share: its arguments, its errors, its words. */
import { errno_name } from '../../kernel/errno.ts';
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import type { net } from '../../kernel/net/core/net_namespace.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { inet_make_mask } from '../../kernel/net/ipv4/ip_header.ts';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ends a command: its message goes to stderr. Status 1: used wrongly (or nothing of that name); 2: the kernel said no. */
export class IpError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** strerror(3) of what routing calls return. */
const STRERROR: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  ENXIO: 'No such device or address',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  EOPNOTSUPP: 'Operation not supported',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENOBUFS: 'No buffer space available',
  EHOSTUNREACH: 'No route to host',
};

/** @throws IpError with what libnetlink prints for an errno without a message of the kernel's */
export function answered(errno: number): never {
  const name = errno_name(errno);
  throw new IpError(`RTNETLINK answers: ${STRERROR[name] ?? name}`, 2);
}

/** @throws IpError with a message of the kernel's (extended acknowledgement) */
export function refused(message: string): never {
  throw new IpError(`Error: ${message}`, 2);
}

/** @throws IpError as invarg() of iproute2; most of its callers end what they say with a line break of their own */
export function invalid(text: string, what: string, blank = true): never {
  throw new IpError(`Error: argument "${text}" is wrong: ${what}${blank ? '\n' : ''}`, 255);
}

/** The one of `verbs` that a word stands for: iproute2 takes any beginning, of the first that fits. */
export function verbOf(word: string, verbs: readonly string[]): string | undefined {
  return verbs.find(verb => verb.startsWith(word));
}

/** @throws IpError as iproute2 words its own complaints */
export function wrong(message: string): never {
  throw new IpError(`Error: ${message}`, 1);
}

export function number(text: string, what: string, most = 0xffffffff, blank = true): number {
  const value = /^0x[0-9a-f]+$/i.test(text) || /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) invalid(text, what, blank);
  return value;
}

export function address(text: string, kind = 'any valid'): number {
  const value = in_aton(text);
  if (Number.isNaN(value)) wrong(`${kind} address is expected rather than "${text}".`);
  return value;
}

/** `default`, `any`, `10.0.0.0/8`, `10.1.0.1`: the address as written, and its length. */
export function prefix(text: string): { addr: number; len: number } {
  if (text === 'default' || text === 'any' || text === 'all') return { addr: 0, len: 0 };
  const [host = '', length] = text.split('/');
  const parts = host.split('.');
  while (length !== undefined && parts.length < 4) parts.push('0');
  const addr = in_aton(parts.join('.'));
  const len = length === undefined ? 32 : /^\d+$/.test(length) ? Number(length) : Number.NaN;
  if (Number.isNaN(addr) || !(len <= 32)) wrong(`any valid prefix is expected rather than "${text}".`);
  return { addr, len };
}

export function showPrefix(dst: number, len: number): string {
  return len === 0 ? 'default' : len === 32 ? inet_ntoa(dst) : `${inet_ntoa(dst)}/${len}`;
}

/** Does `inner` lie in `outer`, or is it the same? */
export function within(inner: { addr: number; len: number }, outer: { addr: number; len: number }): boolean {
  return inner.len >= outer.len && ((inner.addr ^ outer.addr) & inet_make_mask(outer.len)) === 0;
}

/** @throws IpError when there is no such device */
export function device(net: net, name: string): net_device {
  const dev = net.dev_get_by_name(name);
  if (dev === null) throw new IpError(`Cannot find device "${name}"`, 1);
  return dev;
}

const TABLES: readonly (readonly [number, string])[] = [
  [253, 'default'],
  [254, 'main'],
  [255, 'local'],
];

export function tableName(id: number): string {
  return TABLES.find(([each]) => each === id)?.[1] ?? String(id);
}

export function tableId(text: string, what = '"table" value is invalid'): number {
  const named = TABLES.find(([, name]) => name === text);
  return named === undefined ? number(text, what) : named[0];
}
