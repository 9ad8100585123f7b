/** Device features: what users want, what goes together, what is in force (net/core/dev.c, netdev-features.rst). */
import { EINVAL } from '../../errno.ts';
import { NETDEV_FEAT_CHANGE } from './net_namespace.ts';
import {
  NETIF_F_FRAGLIST,
  NETIF_F_GRO,
  NETIF_F_GRO_FRAGLIST,
  NETIF_F_GRO_UDP_FWD,
  NETIF_F_GSO,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
  NETIF_F_SG,
  NETIF_F_TSO,
  type net_device,
} from './netdevice.ts';

/** Features by the names that `ethtool -k` prints (netdev_features_strings). */
export const netdev_features_strings: readonly (readonly [name: string, bit: number])[] = [
  ['tx-scatter-gather', NETIF_F_SG],
  ['tx-checksum-ip-generic', NETIF_F_HW_CSUM],
  ['tx-scatter-gather-fraglist', NETIF_F_FRAGLIST],
  ['tx-vlan-hw-insert', NETIF_F_HW_VLAN_CTAG_TX],
  ['rx-vlan-hw-parse', NETIF_F_HW_VLAN_CTAG_RX],
  ['tx-generic-segmentation', NETIF_F_GSO],
  ['rx-gro', NETIF_F_GRO],
  ['tx-tcp-segmentation', NETIF_F_TSO],
  ['tx-udp-segmentation', NETIF_F_GSO_UDP_L4],
  ['rx-hashing', NETIF_F_RXHASH],
  ['rx-checksum', NETIF_F_RXCSUM],
  ['rx-gro-list', NETIF_F_GRO_FRAGLIST],
  ['rx-udp-gro-forwarding', NETIF_F_GRO_UDP_FWD],
];

/** netdev_fix_features: what cannot be without something else goes with it. */
function netdev_fix_features(features: number): number {
  let fixed = features;
  if ((fixed & NETIF_F_HW_CSUM) === 0) fixed &= ~(NETIF_F_TSO | NETIF_F_GSO_UDP_L4);
  if ((fixed & NETIF_F_SG) === 0) fixed &= ~(NETIF_F_TSO | NETIF_F_FRAGLIST);
  return fixed;
}

/** __netdev_update_features: what is wanted and possible comes into force. 1: something changed, 0 not, or an errno. */
export function netdev_update_features(dev: net_device): number {
  const { ndo_fix_features, ndo_set_features } = dev.netdev_ops;
  let features = (dev.features & ~dev.hw_features) | (dev.wanted_features & dev.hw_features);
  if (ndo_fix_features !== undefined) features = ndo_fix_features(dev, features);
  features = netdev_fix_features(features);
  if (features === dev.features) return 0;
  const failed = ndo_set_features === undefined ? 0 : ndo_set_features(dev, features);
  if (failed < 0) return failed;
  dev.features = features;
  dev.nd_net.call_netdevice_notifiers(NETDEV_FEAT_CHANGE, dev);
  return 1;
}

/**
 * ethtool_set_features: `ethtool -K`: of the features in `valid` those in `wanted` on, the others off. What depends on
 * one that goes, goes too, and comes back with it.
 *
 * @returns 0, or a negative errno: -EINVAL when one of them cannot be switched
 */
export function ethtool_set_features(dev: net_device, valid: number, wanted: number): number {
  if ((valid & ~dev.hw_features) !== 0) return -EINVAL;
  dev.wanted_features = (dev.wanted_features & ~valid) | (wanted & valid);
  return Math.min(netdev_update_features(dev), 0);
}

/** ethtool_get_features: `ethtool -k`: each feature by name, whether it is on and whether it can be switched. */
export function ethtool_get_features(dev: net_device): Map<string, { readonly on: boolean; readonly fixed: boolean }> {
  return new Map(
    netdev_features_strings.map(([name, bit]) => [
      name,
      { on: (dev.features & bit) !== 0, fixed: (dev.hw_features & bit) === 0 },
    ]),
  );
}
