/**
 * `ip`, as iproute2's, for a host of ours: `ip route`, `rule`, `neigh`, `addr`, `link`, `tcp_metrics`. Every word, output line and
 * message is meant to be what `ip -4` prints on Linux; what the kernel refuses ends with status 2, a wrong use with 1 or 255.
 */

import { EADDRNOTAVAIL, EEXIST, ENOENT } from '../../kernel/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { inet_ntoa } from '../../kernel/lib/inet.ts';
import {
  dev_change_tx_queue_len,
  dev_close,
  dev_get_stats,
  dev_open,
  dev_set_mac_address,
  dev_set_mtu,
  dev_set_promiscuity,
} from '../../kernel/net/core/dev.ts';
import { pneigh_add, pneigh_delete } from '../../kernel/net/core/neigh_proxy.ts';
import {
  NEIGH_ADD_CREATE,
  NEIGH_ADD_EXCL,
  NEIGH_ADD_REPLACE,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
  neigh_add,
  neigh_delete,
  neigh_dump,
  nud_state_name,
} from '../../kernel/net/core/neighbour.ts';
import type { net } from '../../kernel/net/core/net_namespace.ts';
import {
  ARPHRD_LOOPBACK,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  type net_device,
} from '../../kernel/net/core/netdevice.ts';
import { IFA_F_SECONDARY, type in_ifaddr, inet_addr_add, inet_addr_del } from '../../kernel/net/ipv4/devinet.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK } from '../../kernel/net/ipv4/fib.ts';
import { formatMac, parseMac } from '../packet/address.ts';
import { route, rule } from './ip-route.ts';
import { tcpMetrics } from './ip-tcp-metrics.ts';
import {
  address,
  answered,
  type CommandResult,
  device,
  IpError,
  number,
  prefix,
  refused,
  verbOf,
  within,
} from './ip-words.ts';
import { Words } from './iproute2-words.ts';

export type { CommandResult } from './ip-words.ts';

const OBJECTS: readonly (readonly [name: string, run: (net: net, words: Words, options: Options) => string])[] = [
  ['address', addr],
  ['link', link],
  ['neighbor', neigh],
  ['neighbour', neigh],
  ['route', route],
  ['rule', rule],
  ['tcp_metrics', tcpMetrics],
  ['tcpmetrics', tcpMetrics],
];

interface Options {
  brief: boolean;
  statistics: boolean;
  oneline: boolean;
  /** -4 */
  inet: boolean;
}

const SHOW = ['show', 'lst', 'list', 'ls'];
const isShow = (verb: string | undefined): boolean => verb !== undefined && SHOW.includes(verb);

/** -oneline: what belongs to one thing is on one line, breaks as backslashes. */
const joined = (text: string, { oneline }: Options): string =>
  oneline ? `${text.trimEnd().replaceAll('\n', '\\')}\n` : text;

/** Runs `ip` with these arguments on a host. */
export function ip(kernel: Kernel, args: readonly string[]): CommandResult {
  const options: Options = { brief: false, statistics: false, oneline: false, inet: false };
  let at = 0;
  try {
    for (; args[at]?.startsWith('-'); at++) {
      const option = args[at] as string;
      if (option === '-br' || option === '-brief') options.brief = true;
      else if (/^-s(?:$|ta)/.test(option)) options.statistics = true;
      else if (/^-o/.test(option)) options.oneline = true;
      else if (option === '-4') options.inet = true;
      else if (option !== '-d') {
        throw new IpError(`Option "${option}" is unknown, try "ip -help".`, 255);
      }
    }
    const name = args[at] ?? '';
    const object = name === '' ? undefined : OBJECTS.find(([each]) => each.startsWith(name));
    if (object === undefined) throw new IpError(`Object "${name}" is unknown, try "ip help".`, 1);
    const words = new Words(args.slice(at + 1), message => new IpError(message, 255));
    const stdout = kernel.exec(() => object[1](kernel.init_net, words, options));
    return { status: 0, stdout, stderr: '' };
  } catch (error) {
    if (!(error instanceof IpError)) throw error;
    return { status: error.status, stdout: '', stderr: `${error.message}\n` };
  }
}

// ---- ip link, ip addr -------------------------------------------------------------------------------------------

function flagNames(dev: net_device): string {
  const names: string[] = [];
  if ((dev.flags & IFF_UP) !== 0 && !dev.carrier) names.push('NO-CARRIER');
  if ((dev.flags & IFF_LOOPBACK) !== 0) names.push('LOOPBACK');
  if ((dev.flags & IFF_BROADCAST) !== 0) names.push('BROADCAST');
  if ((dev.flags & IFF_MULTICAST) !== 0) names.push('MULTICAST');
  if ((dev.flags & IFF_NOARP) !== 0) names.push('NOARP');
  if ((dev.flags & IFF_PROMISC) !== 0) names.push('PROMISC');
  if ((dev.flags & IFF_UP) !== 0) names.push('UP');
  if ((dev.flags & IFF_UP) !== 0 && dev.carrier) names.push('LOWER_UP');
  return names.join(',');
}

function operstate(dev: net_device): string {
  if ((dev.flags & IFF_UP) === 0) return 'DOWN';
  if ((dev.flags & IFF_LOOPBACK) !== 0) return 'UNKNOWN';
  return dev.carrier ? 'UP' : 'DOWN';
}

/** print_linkinfo */
function linkLines(dev: net_device, mode: string): string {
  const qdisc = dev.qdisc?.ops.id ?? 'noop';
  const master = dev.master === null ? '' : `master ${dev.master.name} `;
  const type = dev.type === ARPHRD_LOOPBACK ? 'loopback' : 'ether';
  return (
    `${dev.ifindex}: ${dev.name}: <${flagNames(dev)}> mtu ${dev.mtu} qdisc ${qdisc} ${master}state ${operstate(dev)} ` +
    `${mode}group default qlen ${dev.tx_queue_len}\n` +
    `    link/${type} ${formatMac(dev.dev_addr)} brd ${formatMac(dev.broadcast)}\n`
  );
}

/** print_stats64: both lines have the same columns, no narrower than these. */
const STATISTICS_WIDTHS: readonly number[] = [10, 7, 6, 7, 7, 7];

function statisticsLines(dev: net_device): string {
  const s = dev_get_stats(dev);
  const rx = [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_missed_errors, s.multicast];
  const tx = [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_carrier_errors, s.collisions];
  const widths = STATISTICS_WIDTHS.map((least, i) => Math.max(least, String(rx[i]).length, String(tx[i]).length));
  const cells = (list: readonly (number | string)[]): string =>
    list.map((cell, i) => String(cell).padStart(widths[i] as number)).join(' ');
  const block = (way: string, last: readonly string[], values: readonly number[]): string => {
    const heads = cells(['bytes', 'packets', 'errors', 'dropped', ...last]);
    // The way stands in the first column.
    return `    ${way}:${heads.slice(3)}           \n    ${cells(values)} \n`;
  };
  return block('RX', ['missed', 'mcast'], rx) + block('TX', ['carrier', 'collsns'], tx);
}

function link(net: net, words: Words, options: Options): string {
  const word = words.more ? words.next() : 'show';
  const verb = verbOf(word, ['set', ...SHOW]);
  if (verb === 'set') return linkSet(net, words);
  if (!isShow(verb)) throw new IpError(`Command "${word}" is unknown, try "ip link help".`, 255);
  words.take('dev');
  const devices = words.more ? [shown(net, words.next())] : net.devices;
  if (!options.brief) {
    return devices
      .map(dev => linkLines(dev, 'mode DEFAULT ') + (options.statistics ? statisticsLines(dev) : ''))
      .map(text => joined(text, options))
      .join('');
  }
  return devices
    .map(
      dev =>
        `${dev.name.padEnd(16)} ${operstate(dev).padEnd(14)} ${formatMac(dev.dev_addr).padEnd(18)}<${flagNames(dev)}> \n`,
    )
    .join('');
}

function onOff(words: Words, what: string): boolean {
  const text = words.next();
  if (text !== 'on' && text !== 'off') {
    throw new IpError(`Error: argument of "${what}" must be "on" or "off", not "${text}"`, 1);
  }
  return text === 'on';
}

/** One thing that `ip link set` is to do to a device; 0 or a negative errno. */
type LinkChange = (dev: net_device) => number;

const flagChange =
  (flag: number, on: boolean): LinkChange =>
  dev => {
    dev.flags = on ? dev.flags | flag : dev.flags & ~flag;
    return 0;
  };

function setMtu(mtu: number): LinkChange {
  return dev => {
    if (mtu > dev.max_mtu) refused('mtu greater than device maximum.');
    if (mtu < dev.min_mtu) refused('mtu less than device minimum.');
    return dev_set_mtu(dev, mtu);
  };
}

/** The device's own wish for everything, beside those of packet sockets and a bridge. */
function setPromiscuous(on: boolean): LinkChange {
  return dev => {
    if (on === ((dev.gflags & IFF_PROMISC) !== 0)) return 0;
    dev.gflags ^= IFF_PROMISC;
    dev_set_promiscuity(dev, on ? 1 : -1);
    return 0;
  };
}

function linkChange(word: string, words: Words): LinkChange {
  switch (word) {
    case 'mtu':
      return setMtu(number(words.next(), 'Invalid "mtu" value'));
    case 'address': {
      const address = mac(words.next());
      return dev => dev_set_mac_address(dev, address);
    }
    case 'txqueuelen':
    case 'txqlen':
    case 'qlen': {
      const length = number(words.next(), 'Invalid "txqueuelen" value');
      return dev => dev_change_tx_queue_len(dev, length);
    }
    case 'arp':
      return flagChange(IFF_NOARP, !onOff(words, word));
    case 'multicast':
      return flagChange(IFF_MULTICAST, onOff(words, word));
    case 'promisc':
      return setPromiscuous(onOff(words, word));
    default:
      throw new IpError(`Error: either "dev" is duplicate, or "${word}" is a garbage.`, 255);
  }
}

/** All words first: a wrong one changes nothing. Up and down come last, as they do in the kernel. */
function linkSet(net: net, words: Words): string {
  words.take('dev');
  const dev = device(net, words.next());
  const changes: LinkChange[] = [];
  let up: boolean | null = null;
  while (words.more) {
    const word = words.next();
    if (word === 'up' || word === 'down') up = word === 'up';
    else changes.push(linkChange(word, words));
  }
  if (up === true) changes.push(dev_open);
  for (const change of changes) {
    const err = change(dev);
    if (err !== 0) answered(err);
  }
  if (up === false) dev_close(dev);
  return '';
}

/** @throws IpError when there is none, in the words of those who only look */
function shown(net: net, name: string): net_device {
  const dev = net.dev_get_by_name(name);
  if (dev === null) throw new IpError(`Device "${name}" does not exist.`, 1);
  return dev;
}

function mac(text: string): Uint8Array {
  try {
    return parseMac(text);
  } catch {
    throw new IpError(`"${text}" is invalid lladdr.`, 1);
  }
}

const scopeName = (scope: number): string =>
  scope === RT_SCOPE_HOST ? 'host' : scope === RT_SCOPE_LINK ? 'link' : 'global';

function addr(net: net, words: Words, options: Options): string {
  const word = words.more ? words.next() : 'show';
  const verb = verbOf(word, ['add', 'delete', ...SHOW, 'flush']);
  switch (verb) {
    case 'add':
    case 'delete':
      addrChange(net, words, verb === 'add');
      return '';
    case 'show':
    case 'lst':
    case 'list':
    case 'ls': {
      words.take('dev');
      const devices = words.more ? [shown(net, words.next())] : net.devices;
      if (options.brief) {
        return devices
          .map(dev => {
            const list = dev.ip_ptr?.ifa_list.map(ifa => `${inet_ntoa(ifa.ifa_local)}/${ifa.ifa_prefixlen} `) ?? [];
            return `${dev.name.padEnd(16)} ${operstate(dev).padEnd(14)} ${list.join('')}\n`;
          })
          .join('');
      }
      if (options.oneline) {
        return devices
          .flatMap(dev =>
            dev.ip_ptr?.ifa_list.map(ifa => `${dev.ifindex}: ${dev.name}${joined(addrLine(dev, ifa), options)}`),
          )
          .join('');
      }
      // The addresses of one family alone come without the link's.
      const head = (dev: net_device): string =>
        options.inet ? linkLines(dev, '').replace(/\n.*\n$/, '\n') : linkLines(dev, '');
      return devices.map(dev => head(dev) + addrLines(dev)).join('');
    }
    case 'flush':
      addrFlush(net, words);
      return '';
    default:
      throw new IpError(`Command "${word}" is unknown, try "ip address help".`, 255);
  }
}

/** Those of one device that fit everything that was said. */
function addrFlush(net: net, words: Words): void {
  let dev: net_device | null = null;
  let scope: number | null = null;
  let to: { addr: number; len: number } | null = null;
  if (!words.more) throw new IpError('Flush requires arguments.', 1);
  while (words.more) {
    const word = words.next();
    if (word === 'scope') scope = scopeOf(words.next());
    else if (word === 'to') to = prefix(words.next());
    else dev = shown(net, word === 'dev' ? words.next() : word);
  }
  for (const each of dev === null ? net.devices : [dev]) {
    for (const ifa of [...(each.ip_ptr?.ifa_list ?? [])]) {
      if (scope !== null && ifa.ifa_scope !== scope) continue;
      if (to !== null && !within({ addr: ifa.ifa_local, len: 32 }, to)) continue;
      inet_addr_del(each, ifa.ifa_local, ifa.ifa_prefixlen);
    }
  }
}

function scopeOf(text: string): number {
  if (text === 'host') return RT_SCOPE_HOST;
  if (text === 'link') return RT_SCOPE_LINK;
  return text === 'global' ? 0 : number(text, 'invalid scope value.', 255, false);
}

function addrLine(dev: net_device, ifa: in_ifaddr): string {
  const brd = ifa.ifa_broadcast !== 0 ? `brd ${inet_ntoa(ifa.ifa_broadcast)} ` : '';
  const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) !== 0 ? 'secondary ' : '';
  return (
    `    inet ${inet_ntoa(ifa.ifa_local)}/${ifa.ifa_prefixlen} ${brd}scope ${scopeName(ifa.ifa_scope)} ${secondary}${dev.name}\n` +
    '       valid_lft forever preferred_lft forever\n'
  );
}

const addrLines = (dev: net_device): string => (dev.ip_ptr?.ifa_list ?? []).map(ifa => addrLine(dev, ifa)).join('');

/** What Linux takes here and our addresses do not have. */
const ADDR_LACKING: readonly string[] = [
  'peer',
  'label',
  'anycast',
  'metric',
  'valid_lft',
  'preferred_lft',
  'noprefixroute',
];

function addrChange(net: net, words: Words, add: boolean): void {
  let local: { addr: number; len: number } | null = null;
  let dev: net_device | null = null;
  // Without `brd` Linux sets none; `+` stands for the subnet's.
  let broadcast: number | undefined = 0;
  let scope: number | undefined;
  let bare = false;
  while (words.more) {
    const word = words.next();
    if (word === 'dev') dev = device(net, words.next());
    else if (word === 'brd' || word === 'broadcast') {
      const text = words.next();
      broadcast = text === '+' ? undefined : address(text);
    } else if (word === 'scope') {
      scope = scopeOf(words.next());
    } else if (ADDR_LACKING.includes(word)) {
      throw new IpError(`ringside: "${word}" of an address is not supported`, 1);
    } else {
      const text = word === 'local' ? words.next() : word;
      local = prefix(text);
      bare = !text.includes('/');
    }
  }
  if (dev === null) throw new IpError('Not enough information: "dev" argument is required.', 1);
  if (local === null) answered(-EADDRNOTAVAIL);
  // To delete, an address without a length stands for whichever it has.
  const own = add || !bare ? undefined : dev.ip_ptr?.ifa_list.find(ifa => ifa.ifa_local === local?.addr);
  if (own !== undefined) local.len = own.ifa_prefixlen;
  const err = add
    ? inet_addr_add(dev, local.addr, local.len, broadcast, scope)
    : inet_addr_del(dev, local.addr, local.len);
  if (err === -EEXIST) refused('ipv4: Address already assigned.');
  if (err === -EADDRNOTAVAIL) refused('ipv4: Address not found.');
  if (err !== 0) answered(err);
}

// ---- ip neigh ---------------------------------------------------------------------------------------------------

const STATES: readonly (readonly [string, number])[] = [
  ['permanent', NUD_PERMANENT],
  ['reachable', NUD_REACHABLE],
  ['noarp', NUD_NOARP],
  ['none', NUD_NONE],
  ['stale', NUD_STALE],
  ['incomplete', NUD_INCOMPLETE],
  ['delay', NUD_DELAY],
  ['probe', NUD_PROBE],
  ['failed', NUD_FAILED],
];

function nud(text: string): number {
  const found = STATES.find(([name]) => name === text);
  return found === undefined ? number(text, 'nud state is bad', 255, false) : found[1];
}

const NEIGH_FLAGS: Readonly<Record<string, number>> = {
  add: NEIGH_ADD_CREATE | NEIGH_ADD_EXCL,
  change: NEIGH_ADD_REPLACE,
  replace: NEIGH_ADD_CREATE | NEIGH_ADD_REPLACE,
};

function neigh(net: net, words: Words): string {
  const first = words.more ? words.next() : 'show';
  const verb = verbOf(first, ['add', 'change', 'chg', 'replace', 'delete', 'get', ...SHOW, 'flush']);
  const { arp } = net.ipv4;
  const flags = NEIGH_FLAGS[verb ?? ''];
  if (flags !== undefined || verb === 'delete') {
    neighChange(net, words, flags);
    return '';
  }
  if (verb === 'get') return neighGet(net, words);
  if (!isShow(verb) && verb !== 'flush') throw new IpError(`Command "${first}" is unknown, try "ip neigh help".`, 255);
  if (verb === 'flush' && !words.more) throw new IpError('Flush requires arguments.', 1);
  let dev: net_device | null = null;
  let to: { addr: number; len: number } | null = null;
  let states: number | null = null;
  let proxy = false;
  while (words.more) {
    const word = words.next();
    if (word === 'dev') dev = device(net, words.next());
    else if (word === 'nud') {
      const text = words.next();
      states = (states ?? 0) | (text === 'all' ? 0xff : nud(text));
    } else if (word === 'proxy') proxy = true;
    else if (word !== 'all' || isShow(verb)) to = prefix(word === 'to' ? words.next() : word);
  }
  if (proxy) {
    return [...arp.phash_buckets]
      .flatMap(([key, list]) => list.map(on => `${inet_ntoa(key)} ${on === null ? '' : `dev ${on.name} `}proxy \n`))
      .join('');
  }
  const chosen = neigh_dump(arp).filter(
    entry =>
      (dev === null || entry.dev === dev.name) &&
      (to === null || within({ addr: entry.key, len: 32 }, to)) &&
      (states === null ? (entry.state & ~NUD_NOARP) !== 0 : (entry.state & states) !== 0),
  );
  if (verb === 'flush') {
    for (const entry of chosen) {
      const on = net.dev_get_by_name(entry.dev);
      if (on !== null && (states !== null || (entry.state & NUD_PERMANENT) === 0)) neigh_delete(arp, entry.key, on);
    }
    return '';
  }
  return chosen.map(entry => neighLine(entry, dev === null)).join('');
}

function neighLine(entry: ReturnType<typeof neigh_dump>[number], named: boolean): string {
  const lladdr = (entry.state & NUD_VALID) !== 0 ? `lladdr ${formatMac(entry.lladdr)} ` : '';
  return `${inet_ntoa(entry.key)} ${named ? `dev ${entry.dev} ` : ''}${lladdr}${nud_state_name(entry.state)} \n`;
}

function neighGet(net: net, words: Words): string {
  const { key, dev } = neighWords(net, words);
  const entry = neigh_dump(net.ipv4.arp).find(each => each.key === key && each.dev === dev?.name);
  if (entry === undefined) answered(-ENOENT);
  return neighLine(entry, true);
}

interface NeighWords {
  readonly key: number;
  readonly dev: net_device | null;
  readonly lladdr: Uint8Array | null;
  readonly state: number;
  readonly proxy: boolean;
}

function neighWords(net: net, words: Words): NeighWords {
  let dev: net_device | null = null;
  let key: number | null = null;
  let lladdr: Uint8Array | null = null;
  let state = NUD_PERMANENT;
  let proxy = false;
  while (words.more) {
    const word = words.next();
    if (word === 'dev') dev = device(net, words.next());
    else if (word === 'lladdr') lladdr = mac(words.next());
    else if (word === 'nud') state = nud(words.next());
    else if (word === 'proxy') {
      key = address(words.next());
      proxy = true;
    } else key = address(word === 'to' ? words.next() : word);
  }
  if (key === null || (dev === null && !proxy)) {
    throw new IpError('Device and destination are required arguments.', 255);
  }
  return { key, dev, lladdr, state, proxy };
}

function neighChange(net: net, words: Words, flags: number | undefined): void {
  const { key, dev, lladdr, state, proxy } = neighWords(net, words);
  const { arp } = net.ipv4;
  let err = 0;
  if (proxy) {
    if (flags === undefined) err = pneigh_delete(arp, key, dev);
    else pneigh_add(arp, key, dev);
  } else if (flags === undefined) err = neigh_delete(arp, key, dev as net_device) ? 0 : -ENOENT;
  else {
    const fresh = (state & NUD_VALID) !== 0 && lladdr === null && (flags & NEIGH_ADD_CREATE) !== 0;
    if (fresh) refused('No link layer address given.');
    err = neigh_add(arp, key, dev as net_device, lladdr, state, flags);
  }
  if (err !== 0) answered(err);
}
