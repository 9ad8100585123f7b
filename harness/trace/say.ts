/** The words of a trace: what each stage says about a packet, read from its headers. Nothing here changes anything. */
import type { PageRing } from '../../device/packet-memory.ts';
import { CHECKSUM_PARTIAL, type sk_buff } from '../../kernel/net/core/skbuff.ts';
import type { sock } from '../../kernel/net/core/sock.ts';
import type { Qdisc } from '../../kernel/net/sched/qdisc.ts';
import type { task_struct } from '../../kernel/sched/task.ts';

const PACKET_TYPES = ['for this host', 'broadcast', 'multicast', 'for another host', 'outgoing'];
const ETHER_TYPES: Readonly<Record<number, string>> = {
  2048: 'IPv4',
  2054: 'ARP',
  33024: '802.1Q',
  34525: 'IPv6',
};
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 2: 'IGMP', 6: 'TCP', 17: 'UDP' };
const ICMP_TYPES: Readonly<Record<number, string>> = {
  0: 'echo reply',
  3: 'destination unreachable',
  5: 'redirect',
  8: 'echo request',
  11: 'time exceeded',
  12: 'parameter problem',
};

export const hex = (value: number): string => `${(value >>> 0).toString(16)}h`;
export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
export const bytes = (n: number): string => count(n, 'byte');

/** An IPv4 address in host order. */
export const address = (ip: number): string => `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;

const byteAt = (skb: sk_buff, at: number): number => skb.ram.u8[at] ?? 0;
const word = (skb: sk_buff, at: number): number => byteAt(skb, at) * 256 + byteAt(skb, at + 1);
const addressAt = (skb: sk_buff, at: number): string => address((word(skb, at) << 16) | word(skb, at + 2));
const network = (skb: sk_buff): number => (skb.network_header === 0 ? skb.data : skb.network_header);
const transport = (skb: sk_buff): number => (skb.transport_header === 0 ? skb.data : skb.transport_header);
const protocolName = (protocol: number): string => PROTOCOLS[protocol] ?? `protocol ${protocol}`;

export const etherType = (skb: sk_buff): string => {
  const name = ETHER_TYPES[skb.protocol];
  return `${name === undefined ? '' : `${name}, `}type ${hex(skb.protocol)}, ${PACKET_TYPES[skb.pkt_type] ?? ''}`;
};

/** An Ethernet address of two words. */
export const mac = (high: number, low: number): string =>
  ((high & 0xffff).toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0')).replaceAll(
    /..(?=.)/g,
    '$&:',
  );
export const ingress = (skb: sk_buff): string => `the filters on ${skb.dev?.name ?? '?'} judge it`;
export const vlan = (skb: sk_buff): string => `VLAN ${skb.vlan_tci & 0xfff}: to ${skb.dev?.name ?? '?'}`;
export function bridge(skb: sk_buff): string {
  const at = skb.mac_header;
  const to = mac(word(skb, at), (word(skb, at + 2) << 16) | word(skb, at + 4));
  const from = mac(word(skb, at + 6), (word(skb, at + 8) << 16) | word(skb, at + 10));
  return `${from} > ${to}, by port ${skb.dev?.name ?? '?'}`;
}

export function ip(skb: sk_buff): string {
  const at = network(skb);
  const fragment = word(skb, at + 6);
  const more = (fragment & 0x2000) === 0 ? '' : ', MF';
  const place = (fragment & 0x3fff) === 0 ? '' : `, offset ${(fragment & 0x1fff) * 8}${more}`;
  const between = `${addressAt(skb, at + 12)} > ${addressAt(skb, at + 16)}`;
  return `${between}, ${protocolName(byteAt(skb, at + 9))}, ${word(skb, at + 2)} bytes, ttl ${byteAt(skb, at + 8)}${place}`;
}

export const route = (skb: sk_buff): string =>
  skb.dst === null ? 'where to? the routing tables decide' : `routed by ${skb.dst.dev.name}`;
export const protocol = (skb: sk_buff): string => `for this host: to ${protocolName(byteAt(skb, network(skb) + 9))}`;
export const forward = (skb: sk_buff): string => `not for this host: ttl ${byteAt(skb, network(skb) + 8)}`;

export function icmp(skb: sk_buff): string {
  const at = transport(skb);
  const type = byteAt(skb, at);
  const name = ICMP_TYPES[type] ?? `type ${type}`;
  if (type !== 0 && type !== 8) return `${name}, code ${byteAt(skb, at + 1)}`;
  return `${name}, id ${word(skb, at + 4)}, seq ${word(skb, at + 6)}`;
}

export const icmpSent = (type: number, code: number): string =>
  `the sender is told: ${ICMP_TYPES[type] ?? `type ${type}`}, code ${code}`;

const STATES = [
  'none',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
];
/** A connection's state by the name that ss(8) and /proc give it. */
export const state = (number: number): string => STATES[number] ?? `state ${number}`;

export function tcp(skb: sk_buff): string {
  const at = transport(skb);
  const flags = word(skb, at + 12) & 0xff;
  const names = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'].filter((_, bit) => (flags & (1 << bit)) !== 0);
  return `port ${word(skb, at)} > ${word(skb, at + 2)}, ${names.join(' ')}`;
}

export function udp(skb: sk_buff): string {
  const at = transport(skb);
  return `port ${word(skb, at)} > ${word(skb, at + 2)}, ${bytes(Math.max(word(skb, at + 4) - 8, 0))}`;
}

export function arp(skb: sk_buff): string {
  const at = network(skb);
  if (word(skb, at + 6) === 1) return `who has ${addressAt(skb, at + 24)}? tell ${addressAt(skb, at + 14)}`;
  return `${addressAt(skb, at + 14)} answers`;
}

/** With its Ethernet header or without: the request begins with hardware type 1. */
export function arpSent(skb: sk_buff): string {
  return arp(skb);
}

const deviceName = (skb: sk_buff): string => skb.dev?.name ?? skb.dst?.dev.name ?? '?';
export const device = (skb: sk_buff): string => `out by ${deviceName(skb)}`;
export const nextHop = (skb: sk_buff): string => `neighbour look-up on ${deviceName(skb)}`;
export const queue = (skb: sk_buff): string => `${bytes(skb.len)} with Ethernet header, ${deviceName(skb)}`;
export function validate(skb: sk_buff): string {
  const work = [
    ...(skb.gso_size === 0 ? [] : [`GSO of ${skb.gso_size} bytes each`]),
    ...(skb.data_len === 0 ? [] : ['in pieces']),
    ...(skb.ip_summed === CHECKSUM_PARTIAL ? ['checksum to fill in'] : []),
    ...(skb.vlan_present === 0 ? [] : ['VLAN tag to put in']),
  ];
  return work.length === 0 ? 'as it is' : work.join(', ');
}
const queueName = (q: Qdisc): string =>
  `${q.ops.id}${q.handle === 0 ? '' : ` ${(q.handle >>> 16).toString(16)}:`} of ${q.dev.name}`;
export const waits = (q: Qdisc): string => `waits in ${queueName(q)}: ${count(q.qlen, 'packet')}, ${bytes(q.backlog)}`;
export const turn = (q: Qdisc): string => `its turn in ${queueName(q)}, ${q.qlen} left`;
export const requeued = (q: Qdisc): string => `the driver takes no more: back into ${queueName(q)}`;

export function socket(sk: sock): string {
  return sk.inet_num === 0 ? `socket of ${sk.sk_prot.name}` : `${sk.sk_prot.name} socket, ${sk.inet_num}`;
}

export const task = (t: task_struct): string => `${t.comm}[${t.pid}]`;

/** `sys_recvfrom` and `__sys_recvfrom` are `recvfrom`. */
export const call = (name: string): string => name.replace(/^_*sys_/, '');

/** The last page of a frame of `length` bytes whose header is on `page`. */
export function lastPage(ring: PageRing, page: number, length: number): number {
  const last = page + ring.pagesFor(length) - 1;
  return last >= ring.pstop ? last - (ring.pstop - ring.pstart) : last;
}
