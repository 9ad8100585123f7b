/** Values on iptables' command line, read and written as it does. */
import { in_aton, inet_ntoa } from '../../../kernel/net/ipv4/ip_header.ts';
import { misuse } from './problem.ts';

/** A whole number in C's notation within [min, max]; NaN when it is none. */
export function number(text: string, min = 0, max = 0xffffffff): number {
  if (!/^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return NaN;
  const octal = /^0[0-7]+$/.test(text);
  const value = octal ? parseInt(text, 8) : Number(text);
  return value >= min && value <= max ? value : NaN;
}

const PROTOCOLS: readonly (readonly [name: string, number: number])[] = [
  ['all', 0],
  ['icmp', 1],
  ['igmp', 2],
  ['tcp', 6],
  ['udp', 17],
  ['dccp', 33],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['sctp', 132],
  ['udplite', 136],
];

export function parseProtocol(text: string): number {
  const value = number(text, 0, 255);
  if (!Number.isNaN(value)) return value;
  const known = PROTOCOLS.find(([name]) => name === text.toLowerCase());
  if (known === undefined) throw misuse(`unknown protocol "${text}" specified`);
  return known[1];
}

export function protocolName(protocol: number): string {
  return PROTOCOLS.find(([, value]) => value === protocol)?.[0] ?? String(protocol);
}

const SERVICES: Readonly<Record<string, number>> = {
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  http: 80,
  ntp: 123,
  snmp: 161,
  https: 443,
  syslog: 514,
};

export function parsePort(text: string): number {
  const value = number(text, 0, 65535);
  const port = Number.isNaN(value) ? SERVICES[text] : value;
  if (port === undefined) throw misuse(`invalid port/service \`${text}' specified`);
  return port;
}

/** A port for the list: by its service's name, unless numbers are wanted. */
export function portName(port: number, numeric: boolean): string {
  const name = numeric ? undefined : Object.keys(SERVICES).find(each => SERVICES[each] === port);
  return name ?? String(port);
}

/** `22`, `1:10`, `:10`, `1:`. */
export function parsePorts(text: string, wrong = 'invalid portrange (min > max)'): [number, number] {
  const colon = text.indexOf(':');
  if (colon < 0) {
    const port = parsePort(text);
    return [port, port];
  }
  const first = colon === 0 ? 0 : parsePort(text.slice(0, colon));
  const last = colon === text.length - 1 ? 65535 : parsePort(text.slice(colon + 1));
  if (first > last) throw misuse(wrong);
  return [first, last];
}

export function formatPorts([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}:${last}`;
}

function mask(text: string): number {
  const bits = number(text, 0, 32);
  if (!Number.isNaN(bits)) return bits === 0 ? 0 : (-1 << (32 - bits)) | 0;
  const dotted = in_aton(text);
  if (Number.isNaN(dotted)) throw misuse(`invalid mask \`${text}' specified`);
  return dotted;
}

/** `10.0.0.0/8`: address, cut to its mask, and mask. */
export function parseNetwork(text: string): [address: number, mask: number] {
  const [host = '', length] = text.split('/', 2);
  const netmask = length === undefined ? -1 : mask(length);
  const parts = host.split('.');
  // As in classful days, trailing parts may be missing where a mask is given.
  const whole = length !== undefined && parts.length < 4 ? [...parts, '0', '0', '0'].slice(0, 4).join('.') : host;
  const address = in_aton(whole);
  if (Number.isNaN(address)) throw misuse(`host/network \`${host}' not found`);
  return [address & netmask, netmask];
}

/** The length of a mask; -1 when it has holes. */
function prefixLength(netmask: number): number {
  for (let bits = 0; bits <= 32; bits++) if ((bits === 0 ? 0 : (-1 << (32 - bits)) | 0) === netmask) return bits;
  return -1;
}

export function formatMask(netmask: number): string {
  const bits = prefixLength(netmask);
  return bits < 0 ? inet_ntoa(netmask) : String(bits);
}

export const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** `value[/mask]` of the option `name` */
export function parseMark(text: string, what: string, name = '--mark'): [value: number, mask: number] {
  const [value = '', netmask] = text.split('/', 2);
  const a = number(value);
  const b = netmask === undefined ? 0xffffffff : number(netmask);
  if (Number.isNaN(a) || Number.isNaN(b)) {
    throw misuse(`${what}: bad integer value for option "${name}", or out of range.\n`);
  }
  return [a | 0, b | 0];
}

export function formatMark(value: number, netmask: number): string {
  return netmask === -1 ? hex(value) : `${hex(value)}/${hex(netmask)}`;
}

/** xtables_save_string: quoted where the shell, or the restorer, would take it apart. */
export function quote(text: string): string {
  if (/^[-_0-9a-zA-Z]+$/.test(text)) return text;
  return `"${text.replaceAll(/["\\']/g, '\\$&')}"`;
}

export function parseMac(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) throw misuse(`mac: bad value for option "--mac-source"`);
  return Uint8Array.from(text.split(':'), byte => parseInt(byte, 16));
}

export function formatMac(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(':');
}
