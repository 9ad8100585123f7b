/** What `ethtool` shows and sets. */
import { RETA_ENTRIES, RSS_KEY_BYTES } from '../../device/regs/nic.ts';
import { EINVAL, ENODEV } from '../../kernel/include/errno.ts';
import {
  ETH_RSS_HASH_TOP,
  ETHTOOL_COALESCE_RX_MAX_FRAMES,
  ETHTOOL_COALESCE_RX_USECS,
  ETHTOOL_COALESCE_TX_USECS,
  type ethtool_channels,
  type ethtool_coalesce,
  type ethtool_ops,
  type ethtool_ringparam,
  type ethtool_rxfh_param,
} from '../../kernel/include/ethtool.ts';
import type { net_device } from '../../kernel/include/netdevice.ts';
import { program_coalesce, program_rss, rss_default, set_queue_count } from './features.ts';
import { reconfigure } from './open.ts';
import { DRIVER_NAME, MAX_RING_SIZE, MIN_RING_SIZE, netdev_priv, type q_vector } from './ringside.ts';

/** ITR's fields, and TIDV's. */
const MAX_USECS = 0xffff;
const MAX_FRAMES = 0xff;

/** A queue pair's counters: each is a number of the same name. */
const QUEUE_STATS = [
  'rx_packets',
  'rx_bytes',
  'rx_csum_good',
  'rx_csum_errors',
  'alloc_rx_failed',
  'tx_packets',
  'tx_bytes',
  'tx_busy',
  'tx_csum',
  'tx_tso',
] as const satisfies readonly (keyof q_vector)[];

function get_channels(dev: net_device): ethtool_channels {
  const adapter = netdev_priv(dev);
  const other = adapter.msix ? 1 : 0;
  return {
    max_combined: adapter.q_vector.length,
    max_other: other,
    combined_count: adapter.num_queues,
    other_count: other,
  };
}

function set_channels(dev: net_device, { combined_count, other_count }: ethtool_channels): number {
  const adapter = netdev_priv(dev);
  if (adapter.removed) return -ENODEV;
  if (other_count !== get_channels(dev).other_count) return -EINVAL;
  const before = adapter.num_queues;
  const use = (count: number) => (): void => {
    set_queue_count(adapter, count);
    // A table that was set by hand names none of the queues that go.
    if (!dev.rxfh_configured) rss_default(adapter);
  };
  return reconfigure(adapter, use(combined_count), use(before));
}

function get_ringparam(dev: net_device): ethtool_ringparam {
  const { rx_ring_count, tx_ring_count } = netdev_priv(dev);
  return {
    rx_max_pending: MAX_RING_SIZE,
    tx_max_pending: MAX_RING_SIZE,
    rx_pending: rx_ring_count,
    tx_pending: tx_ring_count,
  };
}

/** The next power of two, as many drivers round what they cannot have. */
function ring_size(pending: number): number {
  return Math.max(MIN_RING_SIZE, 2 ** Math.ceil(Math.log2(pending)));
}

function set_ringparam(dev: net_device, { rx_pending, tx_pending }: ethtool_ringparam): number {
  const adapter = netdev_priv(dev);
  if (adapter.removed) return -ENODEV;
  const { rx_ring_count, tx_ring_count } = adapter;
  const use = (rx: number, tx: number) => (): void => {
    adapter.rx_ring_count = rx;
    adapter.tx_ring_count = tx;
  };
  return reconfigure(adapter, use(ring_size(rx_pending), ring_size(tx_pending)), use(rx_ring_count, tx_ring_count));
}

function get_coalesce(dev: net_device): ethtool_coalesce {
  const { rx_usecs, rx_frames, tx_usecs } = netdev_priv(dev);
  return { rx_coalesce_usecs: rx_usecs, rx_max_coalesced_frames: rx_frames, tx_coalesce_usecs: tx_usecs };
}

/** Frames alone never end a wait that has no time. */
function set_coalesce(dev: net_device, coalesce: ethtool_coalesce): number {
  const { rx_coalesce_usecs, rx_max_coalesced_frames, tx_coalesce_usecs } = coalesce;
  if (rx_coalesce_usecs > MAX_USECS || rx_max_coalesced_frames > MAX_FRAMES) return -EINVAL;
  if (tx_coalesce_usecs > MAX_USECS) return -EINVAL;
  if (rx_coalesce_usecs === 0 && rx_max_coalesced_frames !== 0) return -EINVAL;
  const adapter = netdev_priv(dev);
  adapter.rx_usecs = rx_coalesce_usecs;
  adapter.rx_frames = rx_max_coalesced_frames;
  adapter.tx_usecs = tx_coalesce_usecs;
  if (adapter.up && !adapter.removed) program_coalesce(adapter);
  return 0;
}

function get_rxfh(dev: net_device): ethtool_rxfh_param {
  const { rss_table, rss_key } = netdev_priv(dev);
  return { hfunc: ETH_RSS_HASH_TOP, indir: Uint32Array.from(rss_table), key: rss_key.slice() };
}

function set_rxfh(dev: net_device, { hfunc, indir, key }: ethtool_rxfh_param): number {
  if (hfunc !== ETH_RSS_HASH_TOP) return -EINVAL;
  const adapter = netdev_priv(dev);
  if (indir !== null) adapter.rss_table.set(indir);
  if (key !== null) adapter.rss_key = key.slice();
  if (adapter.up && !adapter.removed) program_rss(adapter);
  return 0;
}

export const ringside_ethtool_ops: ethtool_ops = {
  supported_coalesce_params: ETHTOOL_COALESCE_RX_USECS | ETHTOOL_COALESCE_RX_MAX_FRAMES | ETHTOOL_COALESCE_TX_USECS,
  get_drvinfo: dev => ({ driver: DRIVER_NAME, bus_info: netdev_priv(dev).pdev.name }),
  get_channels,
  set_channels,
  get_ringparam,
  set_ringparam,
  get_coalesce,
  set_coalesce,
  get_rxfh_indir_size: () => RETA_ENTRIES,
  get_rxfh_key_size: () => RSS_KEY_BYTES,
  get_rxfh,
  set_rxfh,
  get_strings: dev => [
    ...netdev_priv(dev).q_vector.flatMap(({ index }) =>
      QUEUE_STATS.map(name => name.replace(/^([rt]x)_/, `$1_queue_${index}_`)),
    ),
    'restarts',
  ],
  get_ethtool_stats: dev => {
    const adapter = netdev_priv(dev);
    return [...adapter.q_vector.flatMap(q => QUEUE_STATS.map(name => q[name])), adapter.restarts];
  },
};
