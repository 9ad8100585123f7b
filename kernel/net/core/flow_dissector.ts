/** Which flow does a packet belong to? (net/core/flow_dissector.c) */

import { hsiphash, type hsiphash_key } from '../../lib/siphash.ts';
import { get_unaligned_be32 } from '../../lib/unaligned.ts';
import type { sk_buff } from './skbuff.ts';

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;
const IPPROTO_HOPOPTS = 0;
const IPPROTO_ICMP = 1;
const IPPROTO_IGMP = 2;
const IPPROTO_IPIP = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_DCCP = 33;
const IPPROTO_IPV6 = 41;
const IPPROTO_ROUTING = 43;
const IPPROTO_FRAGMENT = 44;
const IPPROTO_ESP = 50;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_DSTOPTS = 60;
const IPPROTO_SCTP = 132;
const IPPROTO_UDPLITE = 136;
/** Headers of one packet that are looked through, tunnels and extension headers included (MAX_FLOW_DISSECT_HDRS). */
const HEADERS_MAX = 15;

/** What was found (struct flow_keys). Addresses as int32 words, the IPv4 ones in the first. One object for many packets. */
export class flow_keys {
  n_proto = 0;
  ip_proto = 0;
  vlan = 0;
  /** Words of an address: 0 none, 1 IPv4, 4 IPv6. */
  addr_words = 0;
  readonly src = new Int32Array(4);
  readonly dst = new Int32Array(4);
  /** Source port in the high half. */
  ports = 0;
  /** Identifier of an ICMP echo or timestamp, with type and code above. */
  icmp = 0;
  is_fragment = false;
  /** Where the transport header starts, from the network header on. */
  thoff = 0;

  reset(): void {
    this.n_proto = 0;
    this.ip_proto = 0;
    this.vlan = 0;
    this.addr_words = 0;
    this.ports = 0;
    this.icmp = 0;
    this.is_fragment = false;
    this.thoff = 0;
  }
}

/** The words that a hash is made of. The stack is atomic: one scratch serves every host. */
const words = new Int32Array(14);
const scratch = new flow_keys();

/**
 * skb_flow_dissect_flow_keys: reads the headers from the network header on; VLAN tags, IPv4, IPv6 with extension
 * headers, and what is tunnelled in plain IP. False when they are broken; `keys` then holds what came before.
 */
export function skb_flow_dissect_flow_keys(skb: sk_buff, keys: flow_keys): boolean {
  const { u8 } = skb.ram;
  const start = skb.network_header === 0 ? skb.data : skb.network_header;
  const end = skb.tail;
  let at = start;
  let proto = skb.protocol;
  keys.reset();
  if (skb.vlan_present !== 0) keys.vlan = skb.vlan_tci & 0xfff;
  for (let headers = 0; headers < HEADERS_MAX; headers++) {
    keys.n_proto = proto;
    keys.thoff = at - start;
    let next = 0;
    if (proto === ETH_P_8021Q || proto === ETH_P_8021AD) {
      if (at + 4 > end) return false;
      keys.vlan = (keys.vlan << 12) | (((u8[at] as number) << 8) | ((u8[at + 1] as number) & 0xfff));
      proto = ((u8[at + 2] as number) << 8) | (u8[at + 3] as number);
      at += 4;
      continue;
    }
    if (proto === ETH_P_IP) {
      const ihl = at + 20 > end ? 0 : ((u8[at] as number) & 15) * 4;
      if (ihl < 20) return false;
      next = u8[at + 9] as number;
      keys.ip_proto = next;
      keys.addr_words = 1;
      keys.src[0] = get_unaligned_be32(u8, at + 12);
      keys.dst[0] = get_unaligned_be32(u8, at + 16);
      const frag = (((u8[at + 6] as number) << 8) | (u8[at + 7] as number)) & 0x3fff;
      at += ihl;
      keys.thoff = at - start;
      if (frag !== 0) {
        keys.is_fragment = true;
        return true;
      }
    } else if (proto === ETH_P_IPV6) {
      if (at + 40 > end) return false;
      next = u8[at + 6] as number;
      keys.addr_words = 4;
      for (let i = 0; i < 4; i++) {
        keys.src[i] = get_unaligned_be32(u8, at + 8 + i * 4);
        keys.dst[i] = get_unaligned_be32(u8, at + 24 + i * 4);
      }
      at += 40;
      // A fragment has no ports worth knowing.
      for (; next === IPPROTO_HOPOPTS || next === IPPROTO_ROUTING || next === IPPROTO_DSTOPTS; headers++) {
        if (at + 8 > end || headers >= HEADERS_MAX) return false;
        next = u8[at] as number;
        at += ((u8[at + 1] as number) + 1) * 8;
      }
      keys.ip_proto = next;
      keys.thoff = at - start;
      if (next === IPPROTO_FRAGMENT) {
        keys.is_fragment = true;
        return true;
      }
    } else {
      return true;
    }
    if (next === IPPROTO_IPIP) proto = ETH_P_IP;
    else if (next === IPPROTO_IPV6) proto = ETH_P_IPV6;
    else return dissect_transport(u8, at, end, next, keys);
  }
  return false;
}

function dissect_transport(u8: Uint8Array, at: number, end: number, protocol: number, keys: flow_keys): boolean {
  switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_DCCP:
    case IPPROTO_SCTP:
    case IPPROTO_UDPLITE:
    // The SPI serves as well.
    case IPPROTO_ESP:
      if (at + 4 > end) return false;
      keys.ports = get_unaligned_be32(u8, at);
      return true;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6: {
      if (at + 8 > end) return false;
      const type = u8[at] as number;
      const has_id =
        protocol === IPPROTO_ICMP
          ? type === 0 || type === 8 || (type >= 13 && type <= 18)
          : type === 128 || type === 129;
      keys.icmp = (type << 24) | ((u8[at + 1] as number) << 16) | (has_id ? get_unaligned_be32(u8, at + 4) >>> 16 : 0);
      return true;
    }
    default:
      return true;
  }
}

/** Is `a` greater than `b`, both as words of unsigned numbers? */
function greater(a: Int32Array, b: Int32Array, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const d = ((a[i] as number) >>> 0) - ((b[i] as number) >>> 0);
    if (d !== 0) return d > 0;
  }
  return false;
}

/** __flow_hash_from_keys: the same for both directions (__flow_hash_consistentify). Never 0. */
function flow_hash_from_keys(keys: flow_keys, key: hsiphash_key, symmetric: boolean): number {
  const count = keys.addr_words;
  const swap = greater(keys.src, keys.dst, count);
  const low = swap ? keys.dst : keys.src;
  const high = swap ? keys.src : keys.dst;
  let { ports } = keys;
  if (ports >>> 16 > (ports & 0xffff)) ports = (ports << 16) | (ports >>> 16);
  words[0] = (keys.n_proto << 16) | (keys.ip_proto << 8);
  words[1] = ports;
  let n = 2;
  for (let i = 0; i < count; i++) {
    words[n++] = low[i] as number;
    words[n++] = high[i] as number;
  }
  if (!symmetric) {
    words[n++] = keys.vlan;
    words[n++] = keys.icmp;
  }
  const hash = hsiphash(words, n, key);
  return hash === 0 ? 1 : hash;
}

/** skb_get_hash: the flow's hash, the card's if it gave one, else made now and kept. An int32, never 0 once made. */
export function skb_get_hash(skb: sk_buff): number {
  if (skb.l4_hash === 0 && skb.sw_hash === 0) {
    const { kernel } = skb;
    kernel.clock.now += kernel.cost.flow_dissect;
    skb_flow_dissect_flow_keys(skb, scratch);
    skb.hash = flow_hash_from_keys(scratch, kernel.hashrnd, false);
    skb.sw_hash = 1;
    skb.l4_hash = scratch.ports !== 0 ? 1 : 0;
  }
  return skb.hash;
}

/** __skb_get_hash_symmetric: over protocol, addresses and ports only; not kept. */
export function __skb_get_hash_symmetric(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.flow_dissect;
  skb_flow_dissect_flow_keys(skb, scratch);
  return flow_hash_from_keys(scratch, kernel.hashrnd, true);
}

/** skb_set_hash: from the card, over addresses (false) or ports too (true). */
export function skb_set_hash(skb: sk_buff, hash: number, l4: boolean): void {
  skb.hash = hash | 0;
  skb.l4_hash = l4 ? 1 : 0;
  skb.sw_hash = 0;
}

/** skb_record_rx_queue, skb_rx_queue_recorded, skb_get_rx_queue: the queue a packet came in by. */
export function skb_record_rx_queue(skb: sk_buff, queue: number): void {
  skb.queue_mapping = queue + 1;
}

export function skb_rx_queue_recorded(skb: sk_buff): boolean {
  return skb.queue_mapping !== 0;
}

export function skb_get_rx_queue(skb: sk_buff): number {
  return skb.queue_mapping - 1;
}

/**
 * skb_get_poff: where the transport header's payload begins, counted from the packet's data; 0 when the headers
 * cannot be followed (a subset of Linux's flow dissector: VLAN, IPv4, IPv6 with its extension headers).
 */
export function skb_get_poff(skb: sk_buff): number {
  const { u8 } = skb.ram;
  const end = skb.data + skb.len;
  let at = skb.network_header;
  if (at === 0) return 0;
  let { protocol } = skb;
  while (protocol === ETH_P_8021Q) {
    if (at + 4 > end) return 0;
    protocol = ((u8[at + 2] as number) << 8) | (u8[at + 3] as number);
    at += 4;
  }
  let next = 0;
  if (protocol === ETH_P_IP) {
    if (at + 20 > end || ((u8[at] as number) & 0xf) < 5) return 0;
    const fragment = ((u8[at + 6] as number) << 8) | (u8[at + 7] as number);
    next = u8[at + 9] as number;
    at += ((u8[at] as number) & 0xf) << 2;
    // Fragments are not looked into, the first one neither: nobody asked for it.
    if ((fragment & 0x1fff) !== 0) return at - skb.data;
    if ((fragment & 0x2000) !== 0) return transport_end(skb, at, next) - skb.data;
  } else if (protocol === ETH_P_IPV6) {
    if (at + 40 > end) return 0;
    next = u8[at + 6] as number;
    at += 40;
    for (;;) {
      if (next === IPPROTO_FRAGMENT) {
        if (at + 8 > end) return 0;
        const first = (((u8[at + 2] as number) << 8) | ((u8[at + 3] as number) & 0xf8)) === 0;
        next = u8[at] as number;
        at += 8;
        if (!first) return at - skb.data;
        break;
      }
      if (next !== IPPROTO_HOPOPTS && next !== IPPROTO_ROUTING && next !== IPPROTO_DSTOPTS) break;
      if (at + 2 > end) return 0;
      next = u8[at] as number;
      at += ((u8[at + 1] as number) + 1) << 3;
    }
  } else {
    return 0;
  }
  return transport_end(skb, at, next) - skb.data;
}

/** __skb_get_poff: the address behind the transport header at `at`. */
function transport_end(skb: sk_buff, at: number, protocol: number): number {
  switch (protocol) {
    case IPPROTO_TCP:
      if (at + 13 > skb.data + skb.len) return at;
      return at + Math.max(20, ((skb.ram.u8[at + 12] as number) & 0xf0) >> 2);
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
    case IPPROTO_IGMP:
      return at + 8;
    case IPPROTO_DCCP:
    case IPPROTO_SCTP:
      return at + 12;
    default:
      return at;
  }
}
