/**
 * The files of /proc/net (fs/proc/proc_net.c, net/core/net-procfs.c). Whoever has something to show registers it; a file
 * that several show together (snmp, netstat, sockstat) is made of their parts, by `order`.
 */
import { ETH_P_ALL, type net, PTYPE_HASH_MASK, type packet_type } from './net_namespace.ts';

/** Text as Linux 6.18 on x86 prints it. */
export type proc_show = (net: net) => string;

interface proc_part {
  readonly order: number;
  readonly show: proc_show;
}

export class proc_net_files {
  readonly files = new Map<string, proc_part[]>();
}

/** proc_create_net: `name` is below /proc/net/. The parts of one file stand by `order`, and may come in any. */
export function proc_create_net(net: net, name: string, show: proc_show, order = 0): void {
  const { files } = net.proc_net;
  const parts = files.get(name);
  if (parts === undefined) files.set(name, [{ order, show }]);
  else {
    parts.push({ order, show });
    parts.sort((a, b) => a.order - b.order);
  }
}

/** Where parts of several protocols stand in a file: a transport that is added later finds its place. */
export const PROC_SNMP_IP = 10;
export const PROC_SNMP_TCP = 20;
export const PROC_SNMP_UDP = 30;
export const PROC_NETSTAT_TCPEXT = 10;
export const PROC_NETSTAT_IPEXT = 20;
export const PROC_SOCKSTAT_USED = 10;
export const PROC_SOCKSTAT_TCP = 20;
export const PROC_SOCKSTAT_UDP = 30;
export const PROC_SOCKSTAT_RAW = 40;
export const PROC_SOCKSTAT_FRAG = 50;

/** A table of counters, as snmp and netstat show it: a line of names, a line of values. */
export function proc_counters(table: string, counters: readonly (readonly [name: string, value: number])[]): string {
  const names = counters.map(([name]) => ` ${name}`).join('');
  const values = counters.map(([, value]) => ` ${value}`).join('');
  return `${table}:${names}\n${table}:${values}\n`;
}

/** /proc/net/dev_mcast: a line for each multicast address of a device; all of them are the kernel's (no global use). */
function dev_mc_seq_show(net: net): string {
  const lines: string[] = [];
  for (const { ifindex, name, mc } of net.devices) {
    for (const [address, users] of mc) {
      const key = address.toString(16).padStart(12, '0');
      lines.push(
        `${String(ifindex).padEnd(4)} ${name.padEnd(15)} ${String(users).padEnd(5)} ${'0'.padEnd(5)} ${key}\n`,
      );
    }
  }
  return lines.join('');
}

const column_of = ({ type, dev, func }: packet_type): string =>
  `${type === ETH_P_ALL ? 'ALL ' : type.toString(16).padStart(4, '0')} ${(dev?.name ?? '').padEnd(8)} ${func.name}\n`;

/**
 * /proc/net/ptype: who sees which packets. First those that want every type on one device, by device, then those on all
 * devices, then programs that want one type, then the protocols by their hash; in each the newest first. A program that
 * wants one type on one device is not shown, as on Linux.
 */
function ptype_seq_show(net: net): string {
  const newest = [...net.ptypes].reverse();
  const all = newest.filter(({ type }) => type === ETH_P_ALL);
  const one = newest.filter(({ type, dev }) => type !== ETH_P_ALL && dev === null);
  const is_program = (pt: packet_type): boolean => pt.af_packet_priv !== null || pt.id_match !== undefined;
  const list = [
    ...net.devices.flatMap(dev => all.filter(pt => pt.dev === dev)),
    ...all.filter(({ dev }) => dev === null),
    ...one.filter(is_program),
    ...net.ptype_base.flatMap((_, hash) => one.filter(pt => !is_program(pt) && (pt.type & PTYPE_HASH_MASK) === hash)),
  ];
  return `Type Device      Function\n${list.map(column_of).join('')}`;
}

/** dev_proc_net_init */
export function dev_proc_init(net: net): void {
  proc_create_net(net, 'dev_mcast', dev_mc_seq_show);
  proc_create_net(net, 'ptype', ptype_seq_show);
}
