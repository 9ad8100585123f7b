export {
  ETH_RSS_HASH_TOP,
  ETHTOOL_COALESCE_RX_MAX_FRAMES,
  ETHTOOL_COALESCE_RX_USECS,
  ETHTOOL_COALESCE_TX_USECS,
  type ethtool_channels,
  type ethtool_coalesce,
  type ethtool_ops,
  type ethtool_ringparam,
  ethtool_rxfh_indir_default,
  type ethtool_rxfh_param,
  netdev_rss_key_fill,
} from '../net/ethtool/ethtool.ts';
