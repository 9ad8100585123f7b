/**
 * Where UDP's bound sockets are found (struct udp_table, net/ipv4/udp.c): by port, by address and port, and, when
 * connected, by the whole four-tuple (hash4, since Linux 6.13).
 *
 * What a look-up compares lies in one Int32Array, a record of 64 bytes (a cache line) for each socket, and so do the
 * chains: a packet touches a chain head, the records of its chain, and the one socket it is for, however many there
 * are. The newest of a chain comes first, as in Linux. The tables start small and grow with the sockets.
 *
 * IPv6 shares it by a record of more words: chains and scoring do not look at addresses but by `bound` and `daddr`.
 */
import type { RandomStream } from '../../arch.ts';
import { EADDRINUSE } from '../../errno.ts';
import { hash_2words, hash_32, reciprocal_scale } from '../../lib/hash.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { type sock, TCP_ESTABLISHED } from '../core/sock.ts';
import {
  reuseport_add_sock,
  reuseport_alloc,
  reuseport_detach_sock,
  reuseport_group,
  reuseport_select_sock,
} from '../core/sock_reuseport.ts';
import { flowi4 } from './fib.ts';
import { inet_is_local_reserved_port, inet_sk_get_local_port_range } from './inet_port.ts';
import { ipcm_cookie } from './ip_append.ts';

/** Hash chains longer than this make a multicast delivery look up by address as well. */
const LONG_CHAIN = 10;
const TABLE_SIZE_MIN = 256;
/** Bytes of struct udphdr. */
const UDP_HLEN = 8;

/** Words of a record. Links are record numbers; 0 is none. */
const RECORD = 16;
const NUM = 0;
const RCV_SADDR = 1;
const DADDR = 2;
const DPORT = 3;
const DIF = 4;
const INCOMING_CPU = 5;
/** The three chains: their next, previous, and head's slot hash. */
const NEXT = 6;
const NEXT2 = 9;
const HASH2 = 11;
const NEXT4 = 12;
const HASH4 = 14;
/** 1 while the record is in hash4. */
const IN_HASH4 = 15;

/** Chains through the records, by one key. `at`: where in a record its links lie: next, previous, hash. */
class chains {
  private readonly table: udp_table;
  private readonly at: number;
  heads = new Int32Array(TABLE_SIZE_MIN);

  constructor(table: udp_table, at: number) {
    this.table = table;
    this.at = at;
  }

  link(i: number, hash: number): void {
    const { rec } = this.table;
    const at = i * RECORD + this.at;
    const slot = hash & (this.heads.length - 1);
    const head = this.heads[slot] as number;
    rec[at] = head;
    rec[at + 1] = 0;
    rec[at + 2] = hash;
    if (head !== 0) rec[head * RECORD + this.at + 1] = i;
    this.heads[slot] = i;
  }

  unlink(i: number): void {
    const { rec } = this.table;
    const at = i * RECORD + this.at;
    const next = rec[at] as number;
    const prev = rec[at + 1] as number;
    if (prev !== 0) rec[prev * RECORD + this.at] = next;
    else this.heads[(rec[at + 2] as number) & (this.heads.length - 1)] = next;
    if (next !== 0) rec[next * RECORD + this.at + 1] = prev;
  }

  grow(size: number): void {
    const { rec } = this.table;
    const before = this.heads;
    this.heads = new Int32Array(size);
    for (let slot = 0; slot < before.length; slot++) {
      // From the end of each chain, so that those that stay together keep their order.
      let i = before[slot] as number;
      for (let next = i; next !== 0; next = rec[i * RECORD + this.at] as number) i = next;
      while (i !== 0) {
        const prev = rec[i * RECORD + this.at + 1] as number;
        this.link(i, rec[i * RECORD + this.at + 2] as number);
        i = prev;
      }
    }
  }
}

/** All bound UDP sockets of a net. */
export class udp_table {
  readonly net: net;
  rec = new Int32Array(TABLE_SIZE_MIN * RECORD);
  /** By record number; 0 is nobody. */
  private readonly socks: (sock | null)[] = [null];
  private readonly free: number[] = [];
  private readonly hash = new chains(this, NEXT);
  private readonly hash2 = new chains(this, NEXT2);
  private readonly hash4 = new chains(this, NEXT4);
  /** Connected sockets in hash4: without any, nobody looks there (udp_has_hash4). */
  private hash4_count = 0;
  /** Bound sockets (UDP: inuse in /proc/net/sockstat). */
  count = 0;
  readonly random: RandomStream;
  readonly id_random: RandomStream;
  readonly hash_secret: number;
  /** The flow and the settings of the packet being sent: a system call's slice is atomic. */
  readonly fl4 = new flowi4();
  readonly ipc = new ipcm_cookie();
  /** Sockets that shall get the multicast packet in hand. */
  readonly stack: sock[] = [];

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('udp.port');
    this.id_random = net.kernel.arch.random('inet.id');
    this.hash_secret = net.kernel.arch.random('udp.hash').u32() | 0;
  }

  /** Puts a socket that has its inet_num and inet_rcv_saddr into the tables. */
  add(sk: sock): void {
    if (++this.count > this.hash.heads.length) {
      const size = this.hash.heads.length * 4;
      this.hash.grow(size);
      this.hash2.grow(size);
      this.hash4.grow(size);
    }
    const i = this.free.pop() ?? this.socks.length;
    this.socks[i] = sk;
    if (i * RECORD >= this.rec.length) {
      const rec = new Int32Array(this.rec.length * 2);
      rec.set(this.rec);
      this.rec = rec;
    }
    sk.sk_hashed = true;
    sk.sk_hash_index = i;
    this.fill(sk);
    this.rec[i * RECORD + IN_HASH4] = 0;
    this.hash.link(i, sk.inet_num);
    this.hash2.link(i, portaddr_hash(sk.inet_rcv_saddr, sk.inet_num));
    this.link4(sk);
  }

  remove(sk: sock): void {
    const i = sk.sk_hash_index;
    this.count--;
    this.unlink4(i);
    this.hash2.unlink(i);
    this.hash.unlink(i);
    this.socks[i] = null;
    this.free.push(i);
    sk.sk_hash_index = 0;
    sk.sk_hashed = false;
  }

  /** The socket's address, peer or device has changed (udp_lib_rehash, udp4_hash4, udp_unhash4). */
  rehash(sk: sock): void {
    const i = sk.sk_hash_index;
    const hash = portaddr_hash(sk.inet_rcv_saddr, sk.inet_num);
    this.fill(sk);
    if (hash !== this.rec[i * RECORD + HASH2]) {
      this.hash2.unlink(i);
      this.hash2.link(i, hash);
    }
    this.unlink4(i);
    this.link4(sk);
  }

  private fill(sk: sock): void {
    const { rec } = this;
    const at = sk.sk_hash_index * RECORD;
    rec[at + NUM] = sk.inet_num;
    rec[at + RCV_SADDR] = sk.inet_rcv_saddr;
    rec[at + DADDR] = sk.inet_daddr;
    rec[at + DPORT] = sk.inet_dport;
    rec[at + DIF] = sk.sk_bound_dev_if;
    rec[at + INCOMING_CPU] = sk.sk_incoming_cpu;
  }

  /** udp4_hash4: a connected socket with an address of its own is found by the whole four-tuple. */
  private link4(sk: sock): void {
    if (sk.sk_state !== TCP_ESTABLISHED || sk.inet_rcv_saddr === 0 || sk.inet_dport === 0) return;
    const i = sk.sk_hash_index;
    this.hash4.link(i, this.ehash(sk.inet_rcv_saddr, sk.inet_num, sk.inet_daddr, sk.inet_dport));
    this.rec[i * RECORD + IN_HASH4] = 1;
    this.hash4_count++;
  }

  private unlink4(i: number): void {
    if (this.rec[i * RECORD + IN_HASH4] === 0) return;
    this.rec[i * RECORD + IN_HASH4] = 0;
    this.hash4.unlink(i);
    this.hash4_count--;
  }

  /** udp_ehashfn. An int32. */
  private ehash(laddr: number, lport: number, faddr: number, fport: number): number {
    return (hash_2words(hash_2words(laddr, faddr), (fport << 16) | lport) ^ this.hash_secret) | 0;
  }

  /** compute_score: how well a record fits a packet; -1 when it must not have it. */
  private score(at: number, saddr: number, sport: number, bound: number, hnum: number, dif: number): number {
    const { rec } = this;
    if (rec[at + NUM] !== hnum || rec[at + RCV_SADDR] !== bound) return -1;
    let score = 2;
    const daddr = rec[at + DADDR] as number;
    if (daddr !== 0) {
      if (daddr !== saddr) return -1;
      score += 4;
    }
    const dport = rec[at + DPORT] as number;
    if (dport !== 0) {
      if (dport !== sport) return -1;
      score += 4;
    }
    const bound_dev = rec[at + DIF] as number;
    if (bound_dev !== 0) {
      if (bound_dev !== dif) return -1;
      score += 4;
    }
    if (rec[at + INCOMING_CPU] === this.net.kernel.cpu.id) score++;
    return score;
  }

  /** udp4_lib_lookup2: the best of those bound to `bound` (the packet's destination, or any). */
  private lookup2(
    saddr: number,
    sport: number,
    daddr: number,
    bound: number,
    hnum: number,
    dif: number,
    skb: sk_buff | null,
  ): sock | null {
    const { rec, socks } = this;
    const { heads } = this.hash2;
    let result: sock | null = null;
    let badness = 0;
    for (
      let i = heads[portaddr_hash(bound, hnum) & (heads.length - 1)] as number;
      i !== 0;
      i = rec[i * RECORD + NEXT2] as number
    ) {
      const score = this.score(i * RECORD, saddr, sport, bound, hnum, dif);
      if (score <= badness) continue;
      badness = score;
      const sk = socks[i] as sock;
      result = sk;
      const group = reuseport_group(sk);
      if (group === null || sk.sk_state === TCP_ESTABLISHED) continue;
      const chosen = reuseport_select_sock(
        group,
        this.ehash(daddr, hnum, saddr, sport),
        TCP_ESTABLISHED,
        skb,
        UDP_HLEN,
      );
      if (chosen === null) continue;
      // A connected member may fit better: go on looking, by the score of the one that was chosen.
      if (!group.has_conns) return chosen;
      result = chosen;
      badness = Math.max(badness, this.score(chosen.sk_hash_index * RECORD, saddr, sport, bound, hnum, dif));
    }
    return result;
  }

  /** udp4_lib_lookup4 */
  private lookup4(saddr: number, sport: number, daddr: number, hnum: number, dif: number): sock | null {
    const { rec } = this;
    const { heads } = this.hash4;
    const hash = this.ehash(daddr, hnum, saddr, sport);
    for (let i = heads[hash & (heads.length - 1)] as number; i !== 0; i = rec[i * RECORD + NEXT4] as number) {
      const at = i * RECORD;
      if (rec[at + HASH4] !== hash || rec[at + NUM] !== hnum || rec[at + RCV_SADDR] !== daddr) continue;
      if (rec[at + DADDR] !== saddr || rec[at + DPORT] !== sport) continue;
      if (rec[at + DIF] === 0 || rec[at + DIF] === dif) return this.socks[i] as sock;
    }
    return null;
  }

  /** __udp4_lib_lookup. `skb`: the packet, `data` at its UDP header, for a group's program; null: by hash. */
  lookup(saddr: number, sport: number, daddr: number, hnum: number, dif: number, skb: sk_buff | null): sock | null {
    if (this.hash4_count !== 0) {
      const connected = this.lookup4(saddr, sport, daddr, hnum, dif);
      if (connected !== null) return connected;
    }
    const bound = this.lookup2(saddr, sport, daddr, daddr, hnum, dif, skb);
    if (bound !== null) return bound;
    return this.lookup2(saddr, sport, daddr, 0, hnum, dif, skb);
  }

  /** Every socket that matches a multicast or broadcast packet, in `stack`; how many (__udp4_lib_mcast_deliver). */
  matching(saddr: number, sport: number, daddr: number, hnum: number, dif: number): number {
    const { rec, stack } = this;
    stack.length = 0;
    let chain = 0;
    const first = this.hash.heads[hnum & (this.hash.heads.length - 1)] as number;
    for (let i = first; i !== 0 && chain <= LONG_CHAIN; i = rec[i * RECORD + NEXT] as number) chain++;
    if (chain <= LONG_CHAIN) {
      for (let i = first; i !== 0; i = rec[i * RECORD + NEXT] as number) {
        const bound = rec[i * RECORD + RCV_SADDR] as number;
        if (bound === 0 || bound === daddr) this.push_match(i, saddr, sport, bound, hnum, dif);
      }
      return stack.length;
    }
    const { heads } = this.hash2;
    for (let round = 0; round < 2; round++) {
      const bound = round === 0 ? daddr : 0;
      let i = heads[portaddr_hash(bound, hnum) & (heads.length - 1)] as number;
      for (; i !== 0; i = rec[i * RECORD + NEXT2] as number) this.push_match(i, saddr, sport, bound, hnum, dif);
    }
    return stack.length;
  }

  private push_match(i: number, saddr: number, sport: number, bound: number, hnum: number, dif: number): void {
    if (this.score(i * RECORD, saddr, sport, bound, hnum, dif) >= 0) this.stack.push(this.socks[i] as sock);
  }

  /** May `sk` not have `port` (udp_lib_lport_inuse, udp_lib_lport_inuse2)? */
  in_use(sk: sock, port: number, autobind: boolean): boolean {
    const { rec } = this;
    if (sk.inet_rcv_saddr === 0) {
      const { heads } = this.hash;
      for (let i = heads[port & (heads.length - 1)] as number; i !== 0; i = rec[i * RECORD + NEXT] as number) {
        const verdict = bind_conflict(sk, this.socks[i] as sock, port, autobind);
        if (verdict !== NO_CONFLICT) return verdict === CONFLICT;
      }
      return false;
    }
    const { heads } = this.hash2;
    for (let round = 0; round < 2; round++) {
      const hash = portaddr_hash(round === 0 ? sk.inet_rcv_saddr : 0, port);
      for (let i = heads[hash & (heads.length - 1)] as number; i !== 0; i = rec[i * RECORD + NEXT2] as number) {
        if (rec[i * RECORD + HASH2] !== hash) continue;
        const verdict = bind_conflict(sk, this.socks[i] as sock, port, autobind);
        if (verdict !== NO_CONFLICT) return verdict === CONFLICT;
      }
    }
    return false;
  }

  /** The group that `sk`, about to be added, shares its address with by SO_REUSEPORT (udp_reuseport_add_sock). */
  join_reuseport(sk: sock): void {
    const { rec } = this;
    const { heads } = this.hash2;
    const hash = portaddr_hash(sk.inet_rcv_saddr, sk.inet_num);
    for (let i = heads[hash & (heads.length - 1)] as number; i !== 0; i = rec[i * RECORD + NEXT2] as number) {
      const sk2 = this.socks[i] as sock;
      if (
        sk2.inet_num === sk.inet_num &&
        sk2.sk_reuseport &&
        sk2.sk_bound_dev_if === sk.sk_bound_dev_if &&
        sk2.inet_rcv_saddr === sk.inet_rcv_saddr
      ) {
        reuseport_add_sock(sk, sk2);
        return;
      }
    }
    reuseport_alloc(sk);
  }

  /** Every bound socket, for /proc/net/udp: by slot of the port, as Linux shows them. */
  *sockets(): Generator<sock> {
    const { rec } = this;
    const { heads } = this.hash;
    for (const head of heads)
      for (let i = head; i !== 0; i = rec[i * RECORD + NEXT] as number) yield this.socks[i] as sock;
  }

  /** The slot of a port, which /proc/net/udp shows. */
  bucket(port: number): number {
    return port & (this.hash.heads.length - 1);
  }
}

/** ipv4_portaddr_hash */
function portaddr_hash(addr: number, port: number): number {
  return (hash_32(addr) >>> 8) ^ port;
}

// ---- ports ----------------------------------------------------------------------------------------------------------

const NO_CONFLICT = 0;
const CONFLICT = 1;
/** They share by SO_REUSEPORT: that settles it, whatever else is there. */
const SHARED = 2;

/** May `sk` have `port` beside `sk2`? */
function bind_conflict(sk: sock, sk2: sock, port: number, autobind: boolean): number {
  if (sk2 === sk || sk2.inet_num !== port || (sk2.sk_reuse && sk.sk_reuse)) return NO_CONFLICT;
  const other_device =
    sk2.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== 0 && sk2.sk_bound_dev_if !== sk.sk_bound_dev_if;
  // inet_rcv_saddr_equal, a wildcard being equal to all.
  const other_address = sk.inet_rcv_saddr !== sk2.inet_rcv_saddr && sk.inet_rcv_saddr !== 0 && sk2.inet_rcv_saddr !== 0;
  if (other_device || other_address) return NO_CONFLICT;
  if (sk2.sk_reuseport && sk.sk_reuseport && sk.sk_reuseport_cb === null) return autobind ? NO_CONFLICT : SHARED;
  return CONFLICT;
}

/**
 * udp_lib_get_port: port 0 takes a free one of the range, from a random start in odd steps (RFC 6056 3.3.1).
 * 0 or -EADDRINUSE.
 */
export function udp_v4_get_port(sk: sock, port: number): number {
  const table = sk.sk_net.ipv4.udp;
  if (port === 0) {
    const range = inet_sk_get_local_port_range(sk);
    const low = range & 0xffff;
    const high = range >>> 16;
    const random = table.random.u32();
    const first = low + reciprocal_scale(random, high - low + 1);
    // Odd, so that the steps reach every one of the 2^16 numbers before they come back to the first.
    const step = random | 1;
    port = first;
    while (port < low || port > high || inet_is_local_reserved_port(sk.sk_net, port) || table.in_use(sk, port, true)) {
      port = (port + step) & 0xffff;
      if (port === first) return -EADDRINUSE;
    }
  } else if (table.in_use(sk, port, false)) {
    return -EADDRINUSE;
  }
  sk.inet_num = port;
  if (!sk.sk_hashed) {
    if (sk.sk_reuseport) table.join_reuseport(sk);
    table.add(sk);
  }
  return 0;
}

/** udp_lib_unhash */
export function udp_lib_unhash(sk: sock): void {
  if (!sk.sk_hashed) return;
  reuseport_detach_sock(sk);
  sk.sk_net.ipv4.udp.remove(sk);
  sk.inet_num = 0;
}

/** udp_lib_rehash: its address or device has changed while it was bound. */
export function udp_lib_rehash(sk: sock): void {
  if (!sk.sk_hashed) return;
  reuseport_detach_sock(sk);
  sk.sk_net.ipv4.udp.rehash(sk);
}

/** What look-ups compare has changed, but not where the socket is bound. */
export function udp_lib_update(sk: sock): void {
  if (sk.sk_hashed) sk.sk_net.ipv4.udp.rehash(sk);
}

/**
 * __udp4_lib_lookup: the socket for a packet from (saddr, sport) to (daddr, dport) that came in by `dif`; `skb` as in
 * udp_table.lookup.
 */
export function __udp4_lib_lookup(
  net: net,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  dif: number,
  skb: sk_buff | null = null,
): sock | null {
  return net.ipv4.udp.lookup(saddr, sport, daddr, dport, dif, skb);
}
