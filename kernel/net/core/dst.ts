/** dst_entry: what routing decided for a packet (include/net/dst.h). A network layer's route extends it. */
import type { net_device } from './netdevice.ts';
import type { sk_buff } from './skbuff.ts';

export abstract class dst_entry {
  /** Where the packet leaves; for a packet that is ours, the loopback device. */
  dev: net_device;
  /** What happens to a received packet with this route, and to one on its way out. Both take the skb. */
  input: (skb: sk_buff) => number;
  output: (skb: sk_buff) => number;
  /** A path MTU learnt or configured; 0: the device's counts. */
  metric_mtu = 0;

  constructor(dev: net_device, input: (skb: sk_buff) => number, output: (skb: sk_buff) => number) {
    this.dev = dev;
    this.input = input;
    this.output = output;
  }

  /** dst_ops.link_failure: the next hop does not answer; tells the packet's sender. Does not take the skb. */
  abstract link_failure(skb: sk_buff): void;

  /** dst_check: is this still what routing would decide? */
  abstract check(): boolean;
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
  return dst.metric_mtu !== 0 ? dst.metric_mtu : Math.min(dst.dev.mtu, 0xffff);
}

/** dst_link_failure */
export function dst_link_failure(skb: sk_buff): void {
  if (skb.dst !== null) skb.dst.link_failure(skb);
}
