/** A tracked connection, and what all trackers share (include/net/netfilter/nf_conntrack.h, nf_conntrack_common.h). */
import type { nf_conntrack_net } from './nf_conntrack_core.ts';

export type { nf_conntrack_net } from './nf_conntrack_core.ts';

/** What a packet is to its connection. */
export const IP_CT_ESTABLISHED = 0;
export const IP_CT_RELATED = 1;
export const IP_CT_NEW = 2;
export const IP_CT_IS_REPLY = 3;
export const IP_CT_ESTABLISHED_REPLY = 3;
export const IP_CT_RELATED_REPLY = 4;
export const IP_CT_UNTRACKED = 7;

export const IP_CT_DIR_ORIGINAL = 0;
export const IP_CT_DIR_REPLY = 1;

/** CTINFO2DIR */
export function CTINFO2DIR(ctinfo: number): number {
  return ctinfo >= IP_CT_IS_REPLY ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
}

/** Status bits. */
export const IPS_EXPECTED = 1 << 0;
export const IPS_SEEN_REPLY = 1 << 1;
export const IPS_ASSURED = 1 << 2;
export const IPS_CONFIRMED = 1 << 3;
export const IPS_SRC_NAT = 1 << 4;
export const IPS_DST_NAT = 1 << 5;
export const IPS_NAT_MASK = IPS_SRC_NAT | IPS_DST_NAT;
export const IPS_SRC_NAT_DONE = 1 << 7;
export const IPS_DST_NAT_DONE = 1 << 8;
export const IPS_NAT_DONE_MASK = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
export const IPS_DYING = 1 << 9;

/**
 * struct nf_conntrack_tuple as words: ports (or an ICMP id, type and code), protocol and family, and two addresses of
 * four words each, so that IPv6's fit.
 */
export type nf_conntrack_tuple = Int32Array;
export const TUPLE_WORDS = 10;
/** src.u and dst.u: 16 bits each. */
export const T_PORTS = 0;
/** protonum | l3num << 8 */
export const T_PROTO = 1;
export const T_SRC = 2;
export const T_DST = 6;

/** One connection. Entries are used again: `slot` is its place for ever, its two tuples lie in the table's array. */
export class nf_conn {
  readonly ct_net: nf_conntrack_net;
  readonly slot: number;
  /** References: the hash table's one, and one for each packet. */
  use = 0;
  status = 0;
  /** Jiffy at which it ends; until it is confirmed, how many jiffies it will have. */
  timeout = 0;
  mark = 0;
  protonum = 0;
  /** Accounting (nf_conntrack_acct), by direction. */
  readonly packets = [0, 0];
  readonly bytes = [0, 0];
  /** UDP: when it counts as a stream. */
  stream_ts = 0;
  /** TCP (struct ip_ct_tcp); `seen`: see nf_conntrack_proto_tcp. */
  tcp_state = 0;
  last_dir = 0;
  last_index = 0;
  retrans = 0;
  last_win = 0;
  last_seq = 0;
  last_ack = 0;
  last_end = 0;
  last_wscale = 0;
  last_flags = 0;
  seen: Int32Array | null = null;
  /** NAT: the chain by source, and the device that a masquerade depends on. */
  nat_next = -1;
  nat_prev = -1;
  nat_bucket = -1;
  masq_index = 0;

  constructor(ct_net: nf_conntrack_net, slot: number) {
    this.ct_net = ct_net;
    this.slot = slot;
  }
}

/** A protocol's tracker (struct nf_conntrack_l4proto). */
export interface nf_conntrack_l4proto {
  readonly name: string;
  /** What to say of a packet: NF_ACCEPT, or -NF_ACCEPT (invalid), -NF_DROP, -NF_REPEAT. `at`: the header's address. */
  packet(ct: nf_conn, p: packet_view): number;
}

/** The packet under way, for trackers: set once per packet, never made anew. */
export class packet_view {
  ctinfo = 0;
  /** NF_INET_PRE_ROUTING: only there checksums are looked at. */
  hook = 0;
  /** Address of the transport header; bytes from there. */
  at = 0;
  length = 0;
  /** Whether the checksum is right, where it was looked at. */
  csum_ok = true;
  /** Bytes from the transport header on, also those that are not linear; and of the whole packet. */
  total = 0;
  bytes = 0;
}
