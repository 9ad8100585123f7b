/**
 * When a packet was sent (SO_TIMESTAMPING; net/core/skbuff.c: __skb_tstamp_tx; include/linux/skbuff.h): the program gets a
 * copy of the packet on its error queue when it reaches the queue below, the driver, or, with TCP, the other side.
 */
import { ENOMSG } from '../../errno.ts';
import { SOCK_STREAM } from '../msg.ts';
import { SO_EE_ORIGIN_TIMESTAMPING, set_exterr, sock_queue_err_skb } from './errqueue.ts';
import { alloc_skb, kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_clone } from './skbuff.ts';
import type { sock } from './sock.ts';

export const SOF_TIMESTAMPING_TX_SOFTWARE = 1 << 1;
export const SOF_TIMESTAMPING_RX_SOFTWARE = 1 << 3;
export const SOF_TIMESTAMPING_SOFTWARE = 1 << 4;
export const SOF_TIMESTAMPING_OPT_ID = 1 << 7;
export const SOF_TIMESTAMPING_TX_SCHED = 1 << 8;
export const SOF_TIMESTAMPING_TX_ACK = 1 << 9;
export const SOF_TIMESTAMPING_OPT_TSONLY = 1 << 11;
export const SOF_TIMESTAMPING_OPT_STATS = 1 << 12;
export const SOF_TIMESTAMPING_BIND_PHC = 1 << 15;
export const SOF_TIMESTAMPING_OPT_ID_TCP = 1 << 16;
export const SOF_TIMESTAMPING_OPT_RX_FILTER = 1 << 17;
/** All bits up to SOF_TIMESTAMPING_LAST. */
export const SOF_TIMESTAMPING_MASK = 0x7ffff;
/** SOF_TIMESTAMPING_TX_RECORD_MASK: hardware, software, TX_SCHED, TX_ACK, TX_COMPLETION. */
export const SOF_TIMESTAMPING_TX_RECORD_MASK = 0x40303;

/** Of skb.tx_flags: which stamps the packet owes. */
export const SKBTX_SW_TSTAMP = 1 << 1;
export const SKBTX_SCHED_TSTAMP = 1 << 6;
const SKBTX_ANY_TSTAMP = SKBTX_SW_TSTAMP | SKBTX_SCHED_TSTAMP;

/** ee_info: given to the driver, put in the queue below, acknowledged by the other side. */
export const SCM_TSTAMP_SND = 0;
export const SCM_TSTAMP_SCHED = 1;
export const SCM_TSTAMP_ACK = 2;

/** __sock_tx_timestamp: tx_flags for what the socket wants. */
export function sock_tx_timestamp(tsflags: number): number {
  return (
    ((tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) !== 0 ? SKBTX_SW_TSTAMP : 0) |
    ((tsflags & SOF_TIMESTAMPING_TX_SCHED) !== 0 ? SKBTX_SCHED_TSTAMP : 0)
  );
}

/** skb_setup_tx_timestamp: a datagram's stamps; with OPT_ID its number. */
export function skb_setup_tx_timestamp(skb: sk_buff, sk: sock, tsflags: number): void {
  skb.tx_flags = sock_tx_timestamp(tsflags);
  const owes = (tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0;
  if (!owes || (tsflags & SOF_TIMESTAMPING_OPT_ID) === 0) return;
  skb.tskey = sk.sk_tskey;
  sk.sk_tskey = (sk.sk_tskey + 1) | 0;
}

/** __skb_tstamp_tx: the present goes to the error queue of `sk`, with the packet or (OPT_TSONLY) without. `id`: ee_data with OPT_ID. */
export function __skb_tstamp_tx(orig: sk_buff, sk: sock, tstype: number, id: number): void {
  const { kernel } = sk;
  const { sk_tsflags: tsflags } = sk.opts;
  const tsonly = (tsflags & SOF_TIMESTAMPING_OPT_TSONLY) !== 0;
  // skb_may_tx_timestamp
  if (!tsonly && sk.sk_net.sysctl.tstamp_allow_data === 0) return;
  const skb = tsonly ? alloc_skb(kernel, 0) : skb_clone(orig);
  if (skb === null) return;
  skb.tx_flags = 0;
  skb.tstamp = Math.max(1, kernel.clock.now);
  set_exterr(skb, ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, tstype, 0, 0);
  if ((tsflags & SOF_TIMESTAMPING_OPT_ID) !== 0) skb.cb3 = id;
  if (sock_queue_err_skb(sk, skb) !== 0) kfree_skb_reason(skb, SKB_DROP_REASON.SOCKET_RCVBUFF);
}

/** The stamp of a packet with a socket on its way down: SCM_TSTAMP_SCHED or SCM_TSTAMP_SND. */
function stamp(skb: sk_buff, flag: number, tstype: number): void {
  const { sk } = skb;
  if ((skb.tx_flags & flag) === 0 || sk === null) return;
  // A stream's numbers count its bytes from where it stood, a datagram's the datagrams.
  const from = sk.sk_type === SOCK_STREAM ? sk.sk_tskey : 0;
  __skb_tstamp_tx(skb, sk, tstype, (skb.tskey - from) | 0);
}

/** __dev_queue_xmit's part: the packet enters the queue. */
export function skb_sched_timestamp(skb: sk_buff): void {
  stamp(skb, SKBTX_SCHED_TSTAMP, SCM_TSTAMP_SCHED);
}

/** skb_tx_timestamp: a driver calls it when it gives the packet to its card. */
export function skb_tx_timestamp(skb: sk_buff): void {
  if (skb.tx_flags !== 0) stamp(skb, SKBTX_SW_TSTAMP, SCM_TSTAMP_SND);
}

export function has_tx_tstamp(skb: sk_buff): boolean {
  return skb.txstamp_ack !== 0 || (skb.tx_flags & SKBTX_ANY_TSTAMP) !== 0;
}

/**
 * tcp_gso_tstamp, and __udp_gso_segment's part: one of the segments has the stamp of all. Linux takes TCP's with the byte
 * `tskey`, UDP's first; here it is the last, which alone is on the socket's books (skb_segment).
 */
export function skb_gso_tstamp(skb: sk_buff, segs: sk_buff): void {
  let last = segs;
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next) {
    seg.tx_flags = 0;
    last = seg;
  }
  last.tx_flags = skb.tx_flags;
  last.tskey = skb.tskey;
}
