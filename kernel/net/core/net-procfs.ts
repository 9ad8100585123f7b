/**
 * The files of /proc/net (fs/proc/proc_net.c, net/core/net-procfs.c). Whoever has something to show registers it; a file
 * that several show together (snmp, netstat, sockstat) is made of their parts, by `order`.
 */
import type { net } from './net_namespace.ts';

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
