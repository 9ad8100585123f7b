/** The loopback device: what is sent comes back in through netif_rx (drivers/net/loopback.c). */
import { eth_header_ops, eth_type_trans } from '../ethernet/eth.ts';
import { alloc_netdev, NET_RX_SUCCESS, netif_rx, register_netdev } from './dev.ts';
import type { net } from './net_namespace.ts';
import {
  ARPHRD_LOOPBACK,
  IFF_LOOPBACK,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_MASK,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  type net_device_ops,
} from './netdevice.ts';
import { skb_tx_timestamp } from './skb_tstamp.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, skb_orphan } from './skbuff.ts';

const loopback_ops: net_device_ops = {
  ndo_open: () => 0,
  ndo_stop: () => 0,
  ndo_start_xmit(skb, dev) {
    skb_tx_timestamp(skb);
    skb_orphan(skb);
    skb.protocol = eth_type_trans(skb, dev);
    const length = skb.len;
    // Nothing can have happened to it on the way: a checksum still to be made counts as right.
    if (skb.ip_summed === CHECKSUM_PARTIAL) skb.ip_summed = CHECKSUM_UNNECESSARY;
    // Counted is what the backlog took, and without the link-layer header (dev_lstats_add).
    if (netif_rx(skb) === NET_RX_SUCCESS) {
      const { stats } = dev;
      stats.tx_packets++;
      stats.tx_bytes += length;
      stats.rx_packets++;
      stats.rx_bytes += length;
    }
    return NETDEV_TX_OK;
  },
};

export function loopback_init(net: net): void {
  const dev = alloc_netdev(net.kernel, 'lo', loopback_ops, lo => {
    lo.type = ARPHRD_LOOPBACK;
    lo.mtu = 65536;
    lo.max_mtu = 65536;
    lo.min_mtu = 0;
    lo.hard_header_len = 14;
    lo.header_ops = eth_header_ops;
    lo.flags = IFF_LOOPBACK;
    // Large packets stay large: who receives them cuts them, or takes them whole.
    lo.features = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_GSO_MASK | NETIF_F_HW_CSUM | NETIF_F_RXCSUM;
    lo.tx_queue_len = 0;
    lo.carrier = true;
  });
  register_netdev(dev);
  net.loopback_dev = dev;
}
