/** What is remembered of single peers, whatever route leads to them (net/ipv4/inetpeer.c). */
import { int_map } from '../../lib/int_map.ts';
import { HZ } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';

/** Peers that may be kept, and for how long an unused one is: the more there are, the shorter (jiffies). */
const INET_PEER_THRESHOLD = 65536 + 128;
const INET_PEER_MINTTL = 120 * HZ;
const INET_PEER_MAXTTL = 10 * 60 * HZ;
/** Peers looked at for their age each time a new one comes (PEER_MAX_GC). */
const PEER_MAX_GC = 32;
/** Messages that may follow each other at once after a long silence. */
const XRLIM_BURST_FACTOR = 6;

/** struct inet_peer */
export class inet_peer {
  readonly daddr: number;
  /** Jiffies' worth of messages that it may still get, and when that was reckoned. */
  rate_tokens = 0;
  rate_last: number;
  /** Redirects sent to it that it did not obey. */
  n_redirects = 0;
  /** Fragments received from it so far. */
  rid = 0;
  /** Who holds it, and when it was last looked up. */
  refcnt = 0;
  dtime: number;

  constructor(daddr: number, now: number) {
    this.daddr = daddr;
    // A new one has all of its burst.
    this.rate_last = now - 60 * HZ;
    this.dtime = now;
  }
}

/** struct inet_peer_base */
export class inet_peer_base {
  private readonly net: net;
  private readonly map = new int_map<inet_peer>();
  /** All of them, in no order: where the search for old ones goes round. */
  private readonly all: inet_peer[] = [];
  private hand = 0;

  constructor(net: net) {
    this.net = net;
  }

  get total(): number {
    return this.all.length;
  }

  /** inet_getpeer_v4: the peer's record, made when there is none; null: there are too many, none of them old. */
  get(daddr: number): inet_peer | null {
    const now = this.net.kernel.timers.jiffies();
    let peer = this.map.get(daddr);
    if (peer === null) {
      this.gc(now);
      if (this.all.length >= INET_PEER_THRESHOLD * 2) return null;
      peer = new inet_peer(daddr, now);
      this.map.set(daddr, peer);
      this.all.push(peer);
    }
    peer.dtime = now;
    return peer;
  }

  /** inet_peer_gc */
  private gc(now: number): void {
    const { all } = this;
    const total = all.length;
    const ttl =
      total >= INET_PEER_THRESHOLD
        ? 0
        : INET_PEER_MAXTTL -
          Math.floor((INET_PEER_MAXTTL - INET_PEER_MINTTL) / HZ) * Math.floor((total / INET_PEER_THRESHOLD) * HZ);
    for (let i = 0; i < PEER_MAX_GC && all.length > 0; i++) {
      if (this.hand >= all.length) this.hand = 0;
      const peer = all[this.hand] as inet_peer;
      if (peer.refcnt === 0 && now - peer.dtime >= ttl) {
        this.map.delete(peer.daddr);
        const last = all.pop() as inet_peer;
        if (last !== peer) all[this.hand] = last;
      } else {
        this.hand++;
      }
    }
  }
}

/**
 * inet_peer_xrlim_allow: may the peer be sent one more message of those that cost `timeout` jiffies each? A token
 * bucket of XRLIM_BURST_FACTOR messages.
 */
export function inet_peer_xrlim_allow(net: net, peer: inet_peer | null, timeout: number): boolean {
  if (peer === null) return true;
  const now = net.kernel.timers.jiffies();
  let token = peer.rate_tokens;
  if (peer.rate_last !== now) {
    token += now - peer.rate_last;
    peer.rate_last = now;
    if (token > XRLIM_BURST_FACTOR * timeout) token = XRLIM_BURST_FACTOR * timeout;
  }
  const allow = token >= timeout;
  if (allow) token -= timeout;
  peer.rate_tokens = token;
  return allow;
}
