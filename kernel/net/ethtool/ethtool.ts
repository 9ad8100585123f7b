/** What `ethtool` asks of a device, and the checks before the driver is asked (net/ethtool, linux/ethtool.h). */
import { EINVAL, EOPNOTSUPP } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { net_device } from '../core/netdevice.ts';

/** `ethtool -l`: interrupts with their queues. */
export interface ethtool_channels {
  readonly max_combined: number;
  readonly max_other: number;
  readonly combined_count: number;
  readonly other_count: number;
}

/** `ethtool -g` */
export interface ethtool_ringparam {
  readonly rx_max_pending: number;
  readonly tx_max_pending: number;
  readonly rx_pending: number;
  readonly tx_pending: number;
}

/**
 * `ethtool -c`: an interrupt waits so many µs or so many packets, whichever comes first; 0, 0: it does not wait. `tx_`:
 * that a packet was sent.
 */
export interface ethtool_coalesce {
  readonly rx_coalesce_usecs: number;
  readonly rx_max_coalesced_frames: number;
  readonly tx_coalesce_usecs: number;
}

/** Bits of supported_coalesce_params. */
export const ETHTOOL_COALESCE_RX_USECS = 1 << 0;
export const ETHTOOL_COALESCE_RX_MAX_FRAMES = 1 << 1;
export const ETHTOOL_COALESCE_TX_USECS = 1 << 4;

const NETDEV_RSS_KEY_LEN = 256;

/** Hash functions of struct ethtool_rxfh_param. */
export const ETH_RSS_HASH_TOP = 1 << 0;

/** `ethtool -x`: the table of queues and the key; null: leave it as it is. */
export interface ethtool_rxfh_param {
  readonly hfunc: number;
  readonly indir: Uint32Array | null;
  readonly key: Uint8Array | null;
}

/** What a driver provides. Setters: 0 or a negative errno; they find their arguments within the limits they named. */
export interface ethtool_ops {
  readonly supported_coalesce_params: number;
  get_drvinfo?(dev: net_device): { readonly driver: string; readonly bus_info: string };
  get_channels?(dev: net_device): ethtool_channels;
  set_channels?(dev: net_device, channels: ethtool_channels): number;
  get_ringparam?(dev: net_device): ethtool_ringparam;
  set_ringparam?(dev: net_device, ring: ethtool_ringparam): number;
  get_coalesce?(dev: net_device): ethtool_coalesce;
  set_coalesce?(dev: net_device, coalesce: ethtool_coalesce): number;
  get_rxfh_indir_size?(dev: net_device): number;
  get_rxfh_key_size?(dev: net_device): number;
  get_rxfh?(dev: net_device): ethtool_rxfh_param;
  set_rxfh?(dev: net_device, rxfh: ethtool_rxfh_param): number;
  /** Names and values of the driver's own counters, in the same order. */
  get_strings?(dev: net_device): readonly string[];
  get_ethtool_stats?(dev: net_device): readonly number[];
}

/** ethtool_rxfh_indir_default: entry `index` of a table over `n_rx_rings` queues. */
export function ethtool_rxfh_indir_default(index: number, n_rx_rings: number): number {
  return index % n_rx_rings;
}

/** netdev_rss_key_fill: the host's key for flow hashes of cards, the same for each of them. */
export function netdev_rss_key_fill(kernel: Kernel, length: number): Uint8Array {
  if (kernel.netdev_rss_key === null) {
    const random = kernel.arch.random('netdev.rss_key');
    const words = Uint32Array.from({ length: NETDEV_RSS_KEY_LEN / 4 }, () => random.u32());
    kernel.netdev_rss_key = new Uint8Array(words.buffer);
  }
  return kernel.netdev_rss_key.slice(0, length);
}

const is_count = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;

/** ethtool_set_channels: `ethtool -L DEV combined N`. A table that points beyond the queues that stay is refused. */
export function ethtool_set_channels(dev: net_device, combined_count: number): number {
  const ops = dev.ethtool_ops;
  if (ops?.get_channels === undefined || ops.set_channels === undefined) return -EOPNOTSUPP;
  const now = ops.get_channels(dev);
  if (!is_count(combined_count, now.max_combined) || combined_count === 0) return -EINVAL;
  if (combined_count === now.combined_count) return 0;
  // ethtool_check_max_channel: a table that the user has set must stay right.
  const indir = dev.rxfh_configured ? (ops.get_rxfh?.(dev).indir ?? null) : null;
  if (indir?.some(queue => queue >= combined_count)) return -EINVAL;
  return ops.set_channels(dev, { ...now, combined_count });
}

/** ethtool_set_ringparam: `ethtool -G DEV rx N tx N`; undefined: as it is. */
export function ethtool_set_ringparam(dev: net_device, rx: number | undefined, tx: number | undefined): number {
  const ops = dev.ethtool_ops;
  if (ops?.get_ringparam === undefined || ops.set_ringparam === undefined) return -EOPNOTSUPP;
  const now = ops.get_ringparam(dev);
  const rx_pending = rx ?? now.rx_pending;
  const tx_pending = tx ?? now.tx_pending;
  if (!is_count(rx_pending, now.rx_max_pending) || !is_count(tx_pending, now.tx_max_pending)) return -EINVAL;
  if (rx_pending === 0 || tx_pending === 0) return -EINVAL;
  return ops.set_ringparam(dev, { ...now, rx_pending, tx_pending });
}

/** ethtool_set_coalesce: `ethtool -C DEV rx-usecs N rx-frames N tx-usecs N`; undefined: as it is. */
export function ethtool_set_coalesce(
  dev: net_device,
  usecs: number | undefined,
  frames: number | undefined,
  tx_usecs?: number,
): number {
  const ops = dev.ethtool_ops;
  if (ops?.get_coalesce === undefined || ops.set_coalesce === undefined) return -EOPNOTSUPP;
  const supported = ops.supported_coalesce_params;
  if (usecs !== undefined && (supported & ETHTOOL_COALESCE_RX_USECS) === 0) return -EOPNOTSUPP;
  if (frames !== undefined && (supported & ETHTOOL_COALESCE_RX_MAX_FRAMES) === 0) return -EOPNOTSUPP;
  if (tx_usecs !== undefined && (supported & ETHTOOL_COALESCE_TX_USECS) === 0) return -EOPNOTSUPP;
  const now = ops.get_coalesce(dev);
  const rx_coalesce_usecs = usecs ?? now.rx_coalesce_usecs;
  const rx_max_coalesced_frames = frames ?? now.rx_max_coalesced_frames;
  const tx_coalesce_usecs = tx_usecs ?? now.tx_coalesce_usecs;
  if (!is_count(rx_coalesce_usecs, 0xffffffff) || !is_count(rx_max_coalesced_frames, 0xffffffff)) return -EINVAL;
  if (!is_count(tx_coalesce_usecs, 0xffffffff)) return -EINVAL;
  return ops.set_coalesce(dev, { rx_coalesce_usecs, rx_max_coalesced_frames, tx_coalesce_usecs });
}

/** ethtool_set_rxfh: `ethtool -X DEV`: a table, `equal N` as one, a key; 'default': the table as the driver has it first. */
export function ethtool_set_rxfh(
  dev: net_device,
  indir: Uint32Array | 'default' | null,
  key: Uint8Array | null,
): number {
  const ops = dev.ethtool_ops;
  if (ops?.set_rxfh === undefined || ops.get_rxfh === undefined) return -EOPNOTSUPP;
  const size = ops.get_rxfh_indir_size?.(dev) ?? 0;
  const queues = ops.get_channels?.(dev).combined_count ?? 1;
  if (key !== null && key.length !== (ops.get_rxfh_key_size?.(dev) ?? 0)) return -EINVAL;
  let table: Uint32Array | null = null;
  if (indir === 'default') table = Uint32Array.from({ length: size }, (_, i) => ethtool_rxfh_indir_default(i, queues));
  else if (indir !== null) {
    if (indir.length !== size || indir.some(queue => queue >= queues)) return -EINVAL;
    table = indir;
  }
  const failed = ops.set_rxfh(dev, { hfunc: ETH_RSS_HASH_TOP, indir: table, key });
  if (failed === 0 && table !== null) dev.rxfh_configured = indir !== 'default';
  return failed;
}

/** ethtool_get_stats: `ethtool -S`: the driver's counters by name. */
export function ethtool_get_stats(dev: net_device): Map<string, number> {
  const ops = dev.ethtool_ops;
  const names = ops?.get_strings?.(dev) ?? [];
  const values = ops?.get_ethtool_stats?.(dev) ?? [];
  return new Map(names.map((name, i) => [name, values[i] ?? 0]));
}
