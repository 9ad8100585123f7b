/**
 * The tables by which sockets of a connection protocol are found (net/ipv4/inet_hashtables.c): established connections
 * by their four-tuple (ehash), listeners by port and address (lhash2), bound ports (bhash, bhash2).
 *
 * ehash is chained over one Int32Array of nodes that hold the keys themselves, so that a look-up touches one node for
 * each candidate and no object but the one it finds. Addresses are 32-bit words; a family with longer ones puts their
 * hash there and compares the objects.
 */
import type { RandomStream } from '../../arch.ts';
import { EADDRNOTAVAIL } from '../../errno.ts';
import { hash_2words, reciprocal_scale } from '../../lib/hash.ts';
import type { net } from '../core/net_namespace.ts';
import { type sock, TCP_LISTEN, TCP_TIME_WAIT } from '../core/sock.ts';
import {
  reuseport_add_sock,
  reuseport_alloc,
  reuseport_detach_sock,
  reuseport_group,
  reuseport_select_sock,
} from '../core/sock_reuseport.ts';
import { inet_is_local_reserved_port, inet_sk_get_local_port_range } from './inet_port.ts';
import { inet_twsk_deschedule_put } from './inet_timewait_sock.ts';
import type { tcp_sock, tcp_timewait_sock } from './tcp_sock.ts';

/** What stands in ehash: a socket, the rest of one in TIME_WAIT, or a connection that is being asked for. */
export interface sock_common {
  readonly sk_state: number;
  readonly sk_bound_dev_if: number;
  readonly inet_rcv_saddr: number;
  readonly inet_daddr: number;
  readonly inet_num: number;
  readonly inet_dport: number;
  /** Its node in ehash, 0 for none. */
  ehash_slot: number;
}

/** What holds a port: a socket or the rest of one. */
export interface bind_owner extends sock_common {
  readonly sk_reuse: boolean;
  readonly sk_reuseport: boolean;
  icsk_bind_hash: inet_bind_bucket | null;
  icsk_bind2_hash: inet_bind2_bucket | null;
  bind_next: bind_owner | null;
  bind_prev: bind_owner | null;
}

/** A power of two, so that a node is in one cache line. */
const NODE_WORDS = 8;
const N_NEXT = 0;
const N_HASH = 1;
const N_DADDR = 2;
const N_RCV_SADDR = 3;
const N_PORTS = 4;
const N_DEVICE = 5;
const EHASH_MIN = 256;

export class inet_ehash {
  private buckets = new Int32Array(EHASH_MIN);
  private mask = EHASH_MIN - 1;
  /** Node 0 is nobody's. */
  private nodes = new Int32Array(EHASH_MIN * NODE_WORDS);
  private entries: (sock_common | null)[] = new Array<sock_common | null>(EHASH_MIN).fill(null);
  private free = 0;
  private used = 1;
  private readonly secret: number;
  count = 0;

  constructor(random: RandomStream) {
    this.secret = random.u32() | 0;
  }

  /** inet_ehashfn: an int32; `ports` is the foreign one and, in the low half, ours. */
  hashfn(laddr: number, faddr: number, ports: number): number {
    return hash_2words(Math.imul(laddr ^ this.secret, 0x61c88647) ^ faddr, ports) | 0;
  }

  /** __inet_lookup_established: the entry for what came by `dif` from (faddr, fport) to (laddr, hnum), or null. */
  lookup(faddr: number, fport: number, laddr: number, hnum: number, dif: number): sock_common | null {
    const { nodes } = this;
    const ports = (fport << 16) | hnum;
    const hash = this.hashfn(laddr, faddr, ports);
    let at = this.buckets[hash & this.mask] as number;
    while (at !== 0) {
      const n = at * NODE_WORDS;
      if (nodes[n + N_PORTS] === ports && nodes[n + N_DADDR] === faddr && nodes[n + N_RCV_SADDR] === laddr) {
        const bound = nodes[n + N_DEVICE] as number;
        if (bound === 0 || bound === dif) return this.entries[at] as sock_common;
      }
      at = nodes[n + N_NEXT] as number;
    }
    return null;
  }

  /** Puts an entry in, in front of others with the same key. */
  insert(entry: sock_common): void {
    // At most half full: most look-ups see one node.
    if (this.count * 2 > this.mask) this.grow();
    let at = this.free;
    if (at !== 0) this.free = this.nodes[at * NODE_WORDS + N_NEXT] as number;
    else at = this.used++;
    if (at >= this.entries.length) this.more_nodes();
    const { nodes, buckets } = this;
    const ports = (entry.inet_dport << 16) | entry.inet_num;
    const hash = this.hashfn(entry.inet_rcv_saddr, entry.inet_daddr, ports);
    const n = at * NODE_WORDS;
    const bucket = hash & this.mask;
    nodes[n + N_NEXT] = buckets[bucket] as number;
    nodes[n + N_HASH] = hash;
    nodes[n + N_DADDR] = entry.inet_daddr;
    nodes[n + N_RCV_SADDR] = entry.inet_rcv_saddr;
    nodes[n + N_PORTS] = ports;
    nodes[n + N_DEVICE] = entry.sk_bound_dev_if;
    buckets[bucket] = at;
    this.entries[at] = entry;
    entry.ehash_slot = at;
    this.count++;
  }

  /** Takes an entry out; false when it was not in. */
  remove(entry: sock_common): boolean {
    const at = entry.ehash_slot;
    if (at === 0) return false;
    const { nodes, buckets } = this;
    const next = nodes[at * NODE_WORDS + N_NEXT] as number;
    const bucket = (nodes[at * NODE_WORDS + N_HASH] as number) & this.mask;
    let before = buckets[bucket] as number;
    if (before === at) {
      buckets[bucket] = next;
    } else {
      while (nodes[before * NODE_WORDS + N_NEXT] !== at) before = nodes[before * NODE_WORDS + N_NEXT] as number;
      nodes[before * NODE_WORDS + N_NEXT] = next;
    }
    nodes[at * NODE_WORDS + N_NEXT] = this.free;
    this.free = at;
    this.entries[at] = null;
    entry.ehash_slot = 0;
    this.count--;
    return true;
  }

  private grow(): void {
    const { nodes } = this;
    this.mask = this.mask * 2 + 1;
    const buckets = new Int32Array(this.mask + 1);
    this.buckets = buckets;
    for (let at = this.used - 1; at > 0; at--) {
      if (this.entries[at] === null) continue;
      const bucket = (nodes[at * NODE_WORDS + N_HASH] as number) & this.mask;
      nodes[at * NODE_WORDS + N_NEXT] = buckets[bucket] as number;
      buckets[bucket] = at;
    }
  }

  private more_nodes(): void {
    const size = this.entries.length * 2;
    const nodes = new Int32Array(size * NODE_WORDS);
    nodes.set(this.nodes);
    this.nodes = nodes;
    while (this.entries.length < size) this.entries.push(null);
  }

  /** Every entry, for /proc/net/tcp and what looks at all. A copy: the table may change meanwhile. */
  all(): sock_common[] {
    return this.entries.filter(entry => entry !== null);
  }
}

/** Sockets on one port and address (struct inet_bind2_bucket). */
export class inet_bind2_bucket {
  readonly tb: inet_bind_bucket;
  readonly addr: number;
  first: bind_owner | null = null;
  /** The next address of the port. */
  next: inet_bind2_bucket | null = null;

  constructor(tb: inet_bind_bucket, addr: number) {
    this.tb = tb;
    this.addr = addr;
  }
}

export const FASTREUSEPORT_STRICT = 2;

/** A port that somebody holds (struct inet_bind_bucket). */
export class inet_bind_bucket {
  readonly port: number;
  /** -1: a port that connect has chosen, which is shared by connections to different peers. */
  fastreuse = 0;
  fastreuseport = 0;
  fast_rcv_saddr = 0;
  /** By address: few, mostly one. */
  bhash2: inet_bind2_bucket | null = null;

  constructor(port: number) {
    this.port = port;
  }

  find2(addr: number): inet_bind2_bucket | null {
    for (let tb2 = this.bhash2; tb2 !== null; tb2 = tb2.next) if (tb2.addr === addr) return tb2;
    return null;
  }

  add2(tb2: inet_bind2_bucket): void {
    tb2.next = this.bhash2;
    this.bhash2 = tb2;
  }

  remove2(tb2: inet_bind2_bucket): void {
    let before: inet_bind2_bucket | null = null;
    for (let each = this.bhash2; each !== null && each !== tb2; each = each.next) before = each;
    if (before === null) this.bhash2 = tb2.next;
    else before.next = tb2.next;
  }
}

const INET_TABLE_PERTURB_SIZE = 1 << 16;

/** struct inet_hashinfo: all of TCP's tables of a net. */
export class inet_hashinfo {
  private readonly net: net;
  readonly ehash: inet_ehash;
  private readonly bhash: (inet_bind_bucket | null)[] = new Array<inet_bind_bucket | null>(65536);
  /** Ports in use, for sockstat and the leak check. */
  bind_buckets = 0;
  /** Listeners by port; a chain goes on by sk_next, the newest first. */
  private readonly lhash2 = new Map<number, sock>();
  listeners = 0;
  private table_perturb: Uint32Array | null = null;
  readonly random: RandomStream;
  private readonly reuseport_secret: number;
  /** The rest of a connection whose four-tuple __inet_check_established has taken over. */
  recycled: tcp_timewait_sock | null = null;

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('tcp.port');
    this.ehash = new inet_ehash(net.kernel.arch.random('tcp.ehash'));
    this.reuseport_secret = this.random.u32() | 0;
    this.bhash.fill(null);
  }

  // ---- established ----------------------------------------------------------------------------------------------

  /** inet_ehash_nolisten */
  ehash_insert(entry: sock_common): void {
    this.ehash.insert(entry);
  }

  // ---- listeners ------------------------------------------------------------------------------------------------

  /** __inet_hash: a listener becomes known; with SO_REUSEPORT it joins its group. */
  listen_hash(sk: sock): void {
    const { inet_num: port } = sk;
    const head = this.lhash2.get(port) ?? null;
    if (sk.sk_reuseport) this.reuseport_add(sk, head);
    sk.sk_prev = null;
    sk.sk_next = head;
    if (head !== null) head.sk_prev = sk;
    this.lhash2.set(port, sk);
    sk.sk_hashed = true;
    this.listeners++;
  }

  /** inet_reuseport_add_sock */
  private reuseport_add(sk: sock, head: sock | null): void {
    for (let sk2 = head; sk2 !== null; sk2 = sk2.sk_next) {
      if (
        sk2.sk_family === sk.sk_family &&
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

  listen_unhash(sk: sock): void {
    if (!sk.sk_hashed) return;
    sk.sk_hashed = false;
    reuseport_detach_sock(sk);
    const { sk_prev: prev, sk_next: next } = sk;
    if (prev !== null) prev.sk_next = next;
    else if (next !== null) this.lhash2.set(sk.inet_num, next);
    else this.lhash2.delete(sk.inet_num);
    if (next !== null) next.sk_prev = prev;
    sk.sk_next = null;
    sk.sk_prev = null;
    this.listeners--;
  }

  /** __inet_lookup_listener: the best listener for (daddr, hnum); one bound to the address before one bound to any. */
  lookup_listener(saddr: number, sport: number, daddr: number, hnum: number, dif: number): sock | null {
    const head = this.lhash2.get(hnum);
    if (head === undefined) return null;
    return (
      this.lhash2_lookup(head, daddr, saddr, sport, daddr, hnum, dif) ??
      this.lhash2_lookup(head, 0, saddr, sport, daddr, hnum, dif)
    );
  }

  /** inet_lhash2_lookup */
  private lhash2_lookup(
    head: sock,
    bound: number,
    saddr: number,
    sport: number,
    daddr: number,
    hnum: number,
    dif: number,
  ): sock | null {
    let result: sock | null = null;
    let hiscore = 0;
    for (let sk: sock | null = head; sk !== null; sk = sk.sk_next) {
      if (sk.inet_rcv_saddr !== bound) continue;
      // compute_score
      const device = sk.sk_bound_dev_if;
      if (device !== 0 && device !== dif) continue;
      const score = device !== 0 ? 3 : 2;
      if (score <= hiscore) continue;
      const group = reuseport_group(sk);
      if (group !== null) {
        const hash = hash_2words(hash_2words(daddr, saddr), (sport << 16) | hnum) ^ this.reuseport_secret;
        const chosen = reuseport_select_sock(group, hash, -1);
        if (chosen !== null) return chosen;
      }
      result = sk;
      hiscore = score;
    }
    return result;
  }

  /** Every listener, for /proc/net/tcp. */
  *listening(): Generator<sock> {
    for (const head of this.lhash2.values()) {
      for (let sk: sock | null = head; sk !== null; sk = sk.sk_next) yield sk;
    }
  }

  // ---- ports ----------------------------------------------------------------------------------------------------

  bind_bucket(port: number): inet_bind_bucket | null {
    return this.bhash[port] as inet_bind_bucket | null;
  }

  /** inet_bind_bucket_create, where there is none yet. */
  bind_bucket_create(port: number): inet_bind_bucket {
    const tb = new inet_bind_bucket(port);
    this.bhash[port] = tb;
    this.bind_buckets++;
    return tb;
  }

  /** inet_bind_bucket_destroy: a port that nobody holds is free. */
  bind_bucket_destroy(tb: inet_bind_bucket): void {
    if (tb.bhash2 !== null || this.bhash[tb.port] !== tb) return;
    this.bhash[tb.port] = null;
    this.bind_buckets--;
  }

  /** inet_bind_hash */
  bind_hash(sk: bind_owner, tb: inet_bind_bucket): void {
    const addr = sk.inet_rcv_saddr;
    let tb2 = tb.find2(addr);
    if (tb2 === null) {
      tb2 = new inet_bind2_bucket(tb, addr);
      tb.add2(tb2);
    }
    sk.icsk_bind_hash = tb;
    sk.icsk_bind2_hash = tb2;
    sk.bind_prev = null;
    sk.bind_next = tb2.first;
    if (tb2.first !== null) tb2.first.bind_prev = sk;
    tb2.first = sk;
  }

  /** __inet_put_port and inet_twsk_bind_unhash: lets go of the port. */
  put_port(sk: bind_owner): void {
    const { icsk_bind_hash: tb, icsk_bind2_hash: tb2 } = sk;
    if (tb === null || tb2 === null) return;
    if (sk.bind_prev !== null) sk.bind_prev.bind_next = sk.bind_next;
    else tb2.first = sk.bind_next;
    if (sk.bind_next !== null) sk.bind_next.bind_prev = sk.bind_prev;
    sk.bind_next = null;
    sk.bind_prev = null;
    sk.icsk_bind_hash = null;
    sk.icsk_bind2_hash = null;
    if (tb2.first === null) tb.remove2(tb2);
    this.bind_bucket_destroy(tb);
  }

  /** inet_bhash2_update_saddr: its address has changed since it was bound. */
  bhash2_update_saddr(sk: bind_owner): void {
    const { icsk_bind_hash: tb, icsk_bind2_hash: tb2 } = sk;
    if (tb === null || tb2 === null || tb2.addr === sk.inet_rcv_saddr) return;
    // Kept alive while it has no owner for a moment.
    const hold = new inet_bind2_bucket(tb, -1);
    tb.add2(hold);
    this.put_port(sk);
    tb.remove2(hold);
    this.bind_hash(sk, tb);
  }

  /** __inet_inherit_port: the child of a listener shares its port. */
  inherit_port(sk: tcp_sock, child: tcp_sock): void {
    let tb = sk.icsk_bind_hash as inet_bind_bucket | null;
    if (tb === null || tb.port !== child.inet_num) {
      tb = this.bind_bucket(child.inet_num) ?? this.bind_bucket_create(child.inet_num);
    }
    this.bind_hash(child, tb);
  }

  /**
   * __inet_hash_connect: gives a socket that connects a local port, by RFC 6056's double-hash algorithm, and puts it into
   * ehash. `offset`: the hash of the destination (secure_ipv4_port_ephemeral). 0 or -EADDRNOTAVAIL.
   *
   * `unique` says whether a four-tuple that an old connection in TIME_WAIT has may be taken over (tcp_twsk_unique).
   */
  hash_connect(
    sk: tcp_sock,
    offset32: number,
    unique: (sk: tcp_sock, tw: tcp_timewait_sock, searching: boolean) => boolean,
  ): number {
    if (sk.inet_num !== 0) {
      return this.check_established(sk, sk.inet_num, false, unique) ? this.settle(sk, sk.inet_num) : -EADDRNOTAVAIL;
    }
    const range = inet_sk_get_local_port_range(sk);
    const low = range & 0xffff;
    let remaining = (range >>> 16) + 1 - low;
    // Who has a range of its own goes through it port by port.
    const step = sk.opts.local_port_range !== 0 ? 1 : 2;
    if (remaining > 1 && step === 2) remaining &= ~1;
    this.table_perturb ??= new Uint32Array(INET_TABLE_PERTURB_SIZE).map(() => this.random.u32());
    const perturb = this.table_perturb;
    const index = offset32 & (INET_TABLE_PERTURB_SIZE - 1);
    // Even distances first: bind(2) prefers the odd ones.
    let offset = ((perturb[index] as number) + (offset32 >>> 16)) % remaining;
    if (step === 2) offset &= ~1;
    for (let parity = 0; parity < (remaining > 1 ? step : 1); parity++, offset++) {
      let port = low + offset - step;
      for (let i = 0; i < remaining; i += step) {
        port += step;
        if (port >= low + remaining) port -= remaining;
        if (inet_is_local_reserved_port(this.net, port)) continue;
        const tb = this.bind_bucket(port);
        if (tb !== null) {
          // Those who have bound it chose it for themselves.
          if (tb.fastreuse >= 0 || tb.fastreuseport >= 0) continue;
          if (!this.check_established(sk, port, true, unique)) continue;
        } else {
          const fresh = this.bind_bucket_create(port);
          fresh.fastreuse = -1;
          fresh.fastreuseport = -1;
        }
        const jump = Math.max(i, reciprocal_scale(this.random.u32(), 8) * step);
        perturb[index] = (perturb[index] as number) + jump + step;
        this.bind_hash_connect(sk, port);
        return this.settle(sk, port);
      }
    }
    return -EADDRNOTAVAIL;
  }

  private bind_hash_connect(sk: tcp_sock, port: number): void {
    sk.inet_num = port;
    this.bind_hash(sk, this.bind_bucket(port) as inet_bind_bucket);
  }

  /** Into ehash; what it has taken over goes. */
  private settle(sk: tcp_sock, port: number): number {
    sk.inet_num = port;
    sk.inet_sport = port;
    const tw = this.recycled;
    this.recycled = null;
    if (tw !== null) {
      this.net.ipv4.mib.TcpExtTWRecycled++;
      inet_twsk_deschedule_put(tw);
    }
    this.ehash.insert(sk);
    return 0;
  }

  /** __inet_check_established: is the four-tuple free? */
  private check_established(
    sk: tcp_sock,
    port: number,
    searching: boolean,
    unique: (sk: tcp_sock, tw: tcp_timewait_sock, searching: boolean) => boolean,
  ): boolean {
    this.recycled = null;
    const other = this.ehash.lookup(sk.inet_daddr, sk.inet_dport, sk.inet_rcv_saddr, port, sk.sk_bound_dev_if);
    if (other === null || other === sk) return true;
    if (other.sk_state !== TCP_TIME_WAIT) return false;
    const tw = other as tcp_timewait_sock;
    if (!unique(sk, tw, searching)) return false;
    this.recycled = tw;
    return true;
  }

  /** inet_unhash: out of whichever table it is in. */
  unhash(sk: tcp_sock): void {
    if (sk.sk_state === TCP_LISTEN || sk.sk_hashed) this.listen_unhash(sk);
    this.ehash.remove(sk);
  }
}
