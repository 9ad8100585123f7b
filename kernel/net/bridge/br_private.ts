/** What the parts of the bridge share (net/bridge/br_private.h). */
import type { Kernel } from '../../kernel.ts';
import { hash_2words } from '../../lib/hash.ts';
import { HZ, timer_list } from '../../time/timer.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { br_fdb_cleanup } from './br_fdb.ts';

/** Port states (linux/if_bridge.h). Without the spanning tree protocol a port is forwarding or disabled. */
export const BR_STATE_DISABLED = 0;
export const BR_STATE_LISTENING = 1;
export const BR_STATE_LEARNING = 2;
export const BR_STATE_FORWARDING = 3;
export const BR_STATE_BLOCKING = 4;

/** Port flags: `bridge link set dev PORT …`. */
export const BR_HAIRPIN_MODE = 1 << 0;
export const BR_LEARNING = 1 << 5;
export const BR_FLOOD = 1 << 6;
export const BR_MCAST_FLOOD = 1 << 11;
export const BR_BCAST_FLOOD = 1 << 14;
export const BR_ISOLATED = 1 << 16;

/** What br_flood is asked to flood. */
export const BR_PKT_UNICAST = 0;
export const BR_PKT_MULTICAST = 1;
export const BR_PKT_BROADCAST = 2;

/** One line of the forwarding database. */
export class net_bridge_fdb_entry {
  readonly high: number;
  readonly low: number;
  readonly hash: number;
  /** null: the bridge itself. */
  dst: net_bridge_port | null;
  /** An address of this host: frames to it go up. */
  local: boolean;
  /** Does not age (BR_FDB_STATIC). */
  is_static: boolean;
  /** Learned from a frame. */
  learned: boolean;
  /** Jiffies: when it was last seen as a source, and as a destination. */
  updated: number;
  used: number;
  next: net_bridge_fdb_entry | null = null;

  constructor(high: number, low: number, hash: number, dst: net_bridge_port | null, now: number) {
    this.high = high;
    this.low = low;
    this.hash = hash;
    this.dst = dst;
    this.local = false;
    this.is_static = false;
    this.learned = false;
    this.updated = now;
    this.used = now;
  }
}

export class net_bridge_port {
  readonly br: net_bridge;
  readonly dev: net_device;
  readonly port_no: number;
  state = BR_STATE_DISABLED;
  flags = BR_LEARNING | BR_FLOOD | BR_MCAST_FLOOD | BR_BCAST_FLOOD;

  constructor(br: net_bridge, dev: net_device, port_no: number) {
    this.br = br;
    this.dev = dev;
    this.port_no = port_no;
  }
}

const FDB_BUCKETS = 256;

export class net_bridge {
  readonly kernel: Kernel;
  readonly dev: net_device;
  /** The newest first. */
  readonly ports: net_bridge_port[] = [];
  readonly fdb: (net_bridge_fdb_entry | null)[] = new Array<net_bridge_fdb_entry | null>(FDB_BUCKETS).fill(null);
  fdb_count = 0;
  fdb_n_learned = 0;
  /** Learned entries there may be; 0: no limit. */
  fdb_max_learned = 0;
  /** Jiffies after which an address that was not seen is forgotten; 0: nothing is learned. */
  ageing_time = 300 * HZ;
  /** Reserved addresses 01:80:C2:00:00:0X that are forwarded, as a mask of X. */
  group_fwd_mask = 0;
  /** The address was set by hand: it stays whatever ports come. */
  mac_is_set = false;
  readonly gc_timer: timer_list;
  private readonly salt: number;

  constructor(dev: net_device) {
    this.kernel = dev.kernel;
    this.dev = dev;
    this.salt = dev.kernel.arch.random('bridge.fdb').u32() | 0;
    this.gc_timer = new timer_list(dev.kernel, () => br_fdb_cleanup(this));
  }

  fdb_hash(high: number, low: number): number {
    return hash_2words(high ^ this.salt, low) & (FDB_BUCKETS - 1);
  }
}

export function br_of(dev: net_device): net_bridge {
  return dev.priv as net_bridge;
}

/** The address at `at` as two words. */
export function mac_high(skb: sk_buff, at: number): number {
  const { u8 } = skb.ram;
  return ((u8[at] as number) << 8) | (u8[at + 1] as number);
}

export function mac_low(skb: sk_buff, at: number): number {
  const { u8 } = skb.ram;
  return (
    ((u8[at + 2] as number) << 24) |
    ((u8[at + 3] as number) << 16) |
    ((u8[at + 4] as number) << 8) |
    (u8[at + 5] as number)
  );
}

/** The same of a device's address. */
export function address_high(address: Uint8Array): number {
  return ((address[0] as number) << 8) | (address[1] as number);
}

export function address_low(address: Uint8Array): number {
  return (
    ((address[2] as number) << 24) |
    ((address[3] as number) << 16) |
    ((address[4] as number) << 8) |
    (address[5] as number)
  );
}

export function mac_text(high: number, low: number): string {
  const digits = (high & 0xffff).toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0');
  return digits.replaceAll(/..(?=.)/g, '$&:');
}
