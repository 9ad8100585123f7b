/** dst_entry: what routing decided for a packet (include/net/dst.h). A network layer's route extends it. */
import type { net_device } from './netdevice.ts';
import type { sk_buff } from './skbuff.ts';

/** dst_entry.obsolete: ask `check`; never again, whatever it says. */
export const DST_OBSOLETE_FORCE_CHK = -1;
export const DST_OBSOLETE_KILL = -2;

export abstract class dst_entry {
  /** Where the packet leaves; for a packet that is ours, the loopback device. */
  dev: net_device;
  /** What happens to a received packet with this route, and to one on its way out. Both take the skb. */
  input: (skb: sk_buff) => number;
  output: (skb: sk_buff) => number;
  obsolete = DST_OBSOLETE_FORCE_CHK;
  /** Jiffy at which what was learnt of the path is forgotten; 0: nothing was. */
  expires = 0;
  /** The route's metrics, by RTAX_*; shared with its fib_info. Null: none is set. */
  metrics: Int32Array | null = null;

  constructor(dev: net_device, input: (skb: sk_buff) => number, output: (skb: sk_buff) => number) {
    this.dev = dev;
    this.input = input;
    this.output = output;
  }

  /** dst_ops.link_failure: the next hop does not answer; tells the packet's sender. Does not take the skb. */
  abstract link_failure(skb: sk_buff): void;

  /** dst_check: is this still what routing would decide? */
  abstract check(): boolean;

  /** dst_ops.mtu: the largest packet, with its network header, that fits the path as far as it is known. */
  abstract mtu(): number;

  /** dst_ops.default_advmss: the MSS to announce where the route does not say. */
  abstract default_advmss(): number;

  /** dst_ops.confirm_neigh: the next hop on the way to `daddr` answers: a higher layer has proof. */
  abstract confirm_neigh(daddr: number): void;
}

/** dst_input: takes the skb. */
export function dst_input(skb: sk_buff): number {
  return (skb.dst as dst_entry).input(skb);
}

/** dst_output: takes the skb. */
export function dst_output(skb: sk_buff): number {
  return (skb.dst as dst_entry).output(skb);
}

/** dst_mtu: the largest packet, with its network header, that fits. */
export function dst_mtu(dst: dst_entry): number {
  return dst.mtu();
}

/** dst_metric_raw, dst_metric: a metric of the route by RTAX_*, 0 when it is not set. */
export function dst_metric(dst: dst_entry, metric: number): number {
  return dst.metrics === null ? 0 : (dst.metrics[metric] as number);
}

const RTAX_LOCK = 1;
const RTAX_ADVMSS = 8;

/** dst_metric_locked: shall nobody change it by what is learnt? */
export function dst_metric_locked(dst: dst_entry, metric: number): boolean {
  return (dst_metric(dst, RTAX_LOCK) & (1 << metric)) !== 0;
}

/** dst_metric_advmss: the MSS to announce. */
export function dst_metric_advmss(dst: dst_entry): number {
  const advmss = dst_metric(dst, RTAX_ADVMSS);
  return advmss !== 0 ? advmss : dst.default_advmss();
}

/** dst_set_expires: in `timeout` jiffies, unless it is sooner anyway. `now`: jiffies. */
export function dst_set_expires(dst: dst_entry, now: number, timeout: number): void {
  const expires = now + timeout === 0 ? 1 : now + timeout;
  if (dst.expires === 0 || expires < dst.expires) dst.expires = expires;
}

/** dst_link_failure */
export function dst_link_failure(skb: sk_buff): void {
  if (skb.dst !== null) skb.dst.link_failure(skb);
}

/** dst_confirm_neigh (MSG_CONFIRM, and TCP's acknowledgements). */
export function dst_confirm_neigh(dst: dst_entry, daddr: number): void {
  dst.confirm_neigh(daddr);
}
