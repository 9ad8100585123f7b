/**
 * `ip`, as iproute2's, for a host of ours: `ip route`, `rule`, `neigh`, `addr`, `link`, `tcp_metrics`. Every word, output line and
 * message is meant to be what `ip -4` prints on Linux; what the kernel refuses ends with status 2, a wrong use with 1.
 */
import { EADDRNOTAVAIL, EEXIST } from '../../kernel/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { inet_ntoa } from '../../kernel/lib/inet.ts';
import { dev_close, dev_open, dev_set_mac_address, dev_set_mtu } from '../../kernel/net/core/dev.ts';
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
import { IFA_F_SECONDARY, inet_addr_add, inet_addr_del } from '../../kernel/net/ipv4/devinet.ts';
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
  Words,
  within,
  wrong,
} from './ip-words.ts';

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
}

/** Runs `ip` with these arguments on a host. */
export function ip(kernel: Kernel, args: readonly string[]): CommandResult {
  const options: Options = { brief: false };
  let at = 0;
  try {
    for (; args[at]?.startsWith('-'); at++) {
      const option = args[at] as string;
      if (option === '-br' || option === '-brief') options.brief = true;
      else if (option !== '-4' && option !== '-s' && option !== '-d') {
        throw new IpError(`Option "${option}" is unknown, try "ip -help".`, 255);
      }
    }
    const name = args[at] ?? '';
    const object = name === '' ? undefined : OBJECTS.find(([each]) => each.startsWith(name));
    if (object === undefined) throw new IpError(`Object "${name}" is unknown, try "ip help".`, 1);
    const words = new Words(args.slice(at + 1));
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
  const qdisc = dev._tx[0]?.qdisc.ops.id ?? 'noop';
  const master = dev.master === null ? '' : `master ${dev.master.name} `;
  const type = dev.type === ARPHRD_LOOPBACK ? 'loopback' : 'ether';
  return (
    `${dev.ifindex}: ${dev.name}: <${flagNames(dev)}> mtu ${dev.mtu} qdisc ${qdisc} ${master}state ${operstate(dev)} ` +
    `${mode}group default qlen ${dev.tx_queue_len}\n` +
    `    link/${type} ${formatMac(dev.dev_addr)} brd ${formatMac(dev.broadcast)}\n`
  );
}

function link(net: net, words: Words, options: Options): string {
  const verb = words.more ? words.next() : 'show';
  if (verb === 'set') return linkSet(net, words);
  if (verb !== 'show' && verb !== 'list' && verb !== 'ls') {
    throw new IpError(`Command "${verb}" is unknown, try "ip link help".`, 1);
  }
  words.take('dev');
  const devices = words.more ? [device(net, words.next())] : net.devices;
  if (!options.brief) return devices.map(dev => linkLines(dev, 'mode DEFAULT ')).join('');
  return devices
    .map(
      dev =>
        `${dev.name.padEnd(16)} ${operstate(dev).padEnd(14)} ${formatMac(dev.dev_addr).padEnd(18)}<${flagNames(dev)}> \n`,
    )
    .join('');
}

function linkSet(net: net, words: Words): string {
  words.take('dev');
  const dev = device(net, words.next());
  while (words.more) {
    const word = words.next();
    let err = 0;
    if (word === 'up') err = dev_open(dev);
    else if (word === 'down') dev_close(dev);
    else if (word === 'mtu') {
      const mtu = number(words.next(), '"mtu" value is invalid');
      if (mtu > dev.max_mtu) refused('mtu greater than device maximum.');
      if (mtu < dev.min_mtu) refused('mtu less than device minimum.');
      err = dev_set_mtu(dev, mtu);
    } else if (word === 'address') err = dev_set_mac_address(dev, mac(words.next()));
    else if (word === 'arp') {
      if (words.next() === 'off') dev.flags |= IFF_NOARP;
      else dev.flags &= ~IFF_NOARP;
    } else wrong(`either "dev" is duplicate, or "${word}" is a garbage.`);
    if (err !== 0) answered(err);
  }
  return '';
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
  const verb = words.more ? words.next() : 'show';
  switch (verb) {
    case 'add':
    case 'del':
    case 'delete':
      addrChange(net, words, verb === 'add');
      return '';
    case 'show':
    case 'list':
    case 'ls': {
      words.take('dev');
      const devices = words.more ? [device(net, words.next())] : net.devices;
      if (options.brief) {
        return devices
          .map(dev => {
            const list = dev.ip_ptr?.ifa_list.map(ifa => `${inet_ntoa(ifa.ifa_local)}/${ifa.ifa_prefixlen} `) ?? [];
            return `${dev.name.padEnd(16)} ${operstate(dev).padEnd(14)} ${list.join('')}\n`;
          })
          .join('');
      }
      return devices.map(dev => linkLines(dev, '') + addrLines(dev)).join('');
    }
    case 'flush': {
      words.take('dev');
      const dev = device(net, words.next());
      for (const ifa of [...(dev.ip_ptr?.ifa_list ?? [])]) inet_addr_del(dev, ifa.ifa_local, ifa.ifa_prefixlen);
      return '';
    }
    default:
      throw new IpError(`Command "${verb}" is unknown, try "ip address help".`, 1);
  }
}

function addrLines(dev: net_device): string {
  return (dev.ip_ptr?.ifa_list ?? [])
    .map(ifa => {
      const brd = ifa.ifa_broadcast !== 0 ? `brd ${inet_ntoa(ifa.ifa_broadcast)} ` : '';
      const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) !== 0 ? 'secondary ' : '';
      return (
        `    inet ${inet_ntoa(ifa.ifa_local)}/${ifa.ifa_prefixlen} ${brd}scope ${scopeName(ifa.ifa_scope)} ${secondary}${dev.name}\n` +
        '       valid_lft forever preferred_lft forever\n'
      );
    })
    .join('');
}

function addrChange(net: net, words: Words, add: boolean): void {
  let local: { addr: number; len: number } | null = null;
  let dev: net_device | null = null;
  // Without `brd` Linux sets none; `+` stands for the subnet's.
  let broadcast: number | undefined = 0;
  let scope: number | undefined;
  while (words.more) {
    const word = words.next();
    if (word === 'dev') dev = device(net, words.next());
    else if (word === 'brd' || word === 'broadcast') {
      const text = words.next();
      broadcast = text === '+' ? undefined : address(text);
    } else if (word === 'scope') {
      const text = words.next();
      scope = text === 'host' ? RT_SCOPE_HOST : text === 'link' ? RT_SCOPE_LINK : 0;
    } else local = prefix(word === 'local' ? words.next() : word);
  }
  if (dev === null) throw new IpError('Not enough information: "dev" argument is required.', 255);
  if (local === null) answered(-EADDRNOTAVAIL);
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
  return found === undefined ? number(text, 'nud state is bad', 255) : found[1];
}

const NEIGH_FLAGS: Readonly<Record<string, number>> = {
  add: NEIGH_ADD_CREATE | NEIGH_ADD_EXCL,
  change: NEIGH_ADD_REPLACE,
  replace: NEIGH_ADD_CREATE | NEIGH_ADD_REPLACE,
};

function neigh(net: net, words: Words): string {
  const verb = words.more ? words.next() : 'show';
  const { arp } = net.ipv4;
  const flags = NEIGH_FLAGS[verb];
  if (flags !== undefined || verb === 'del' || verb === 'delete') {
    neighChange(net, words, flags);
    return '';
  }
  if (verb !== 'show' && verb !== 'list' && verb !== 'ls' && verb !== 'flush') {
    throw new IpError(`Command "${verb}" is unknown, try "ip neigh help".`, 1);
  }
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
    else if (word !== 'all' || verb === 'show') to = prefix(word === 'to' ? words.next() : word);
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
  return chosen
    .map(entry => {
      const lladdr = (entry.state & NUD_VALID) !== 0 ? `lladdr ${formatMac(entry.lladdr)} ` : '';
      return `${inet_ntoa(entry.key)} dev ${entry.dev} ${lladdr}${nud_state_name(entry.state)} \n`;
    })
    .join('');
}

function neighChange(net: net, words: Words, flags: number | undefined): void {
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
  if (key === null) throw new IpError('Device and destination are required arguments.', 1);
  const { arp } = net.ipv4;
  let err = 0;
  if (proxy) {
    if (flags === undefined) err = pneigh_delete(arp, key, dev);
    else pneigh_add(arp, key, dev);
  } else if (dev === null) throw new IpError('Device and destination are required arguments.', 1);
  else if (flags === undefined) err = neigh_delete(arp, key, dev) ? 0 : -2;
  else err = neigh_add(arp, key, dev, lladdr, state, flags);
  if (err !== 0) answered(err);
}
