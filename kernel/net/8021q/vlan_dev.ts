/** VLAN devices: `ip link add link eth0 name eth0.5 type vlan id 5` (net/8021q/vlan.c, vlan_dev.c). */
import { EEXIST, EINVAL, ENETDOWN, EOPNOTSUPP, ERANGE } from '../../errno.ts';
import { int_map } from '../../lib/int_map.ts';
import {
  alloc_netdev,
  dev_close,
  dev_mc_add,
  dev_mc_del,
  dev_open,
  dev_queue_xmit,
  dev_set_allmulti,
  dev_set_mtu,
  dev_set_promiscuity,
  NET_XMIT_CN,
  NET_XMIT_SUCCESS,
  netif_carrier_off,
  netif_carrier_on,
  register_netdev,
  unregister_netdev,
} from '../core/dev.ts';
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type net,
} from '../core/net_namespace.ts';
import {
  IFF_ALLMULTI,
  IFF_LOOPBACK,
  IFF_PROMISC,
  IFF_UP,
  NETDEV_TX_OK,
  NETIF_F_HW_VLAN_CTAG_TX,
  type net_device,
  type net_device_ops,
} from '../core/netdevice.ts';
import { ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ether_setup } from '../ethernet/eth.ts';
import { __vlan_hwaccel_put_tag, VLAN_HLEN, vlan_key, vlan_offload_init } from './vlan_core.ts';

const VLAN_N_VID = 4096;

/** A VLAN device's own state (struct vlan_dev_priv). */
export class vlan_dev_priv {
  readonly real_dev: net_device;
  readonly vlan_proto: number;
  readonly vlan_id: number;
  /** Priority of the tag to skb.priority, and back (the low bits of skb.priority to the tag's). */
  readonly ingress_priority_map = new Int32Array(8);
  readonly egress_priority_map = new Map<number, number>();
  /** What it has asked of the device below. */
  promisc = false;
  allmulti = false;
  address_differs = false;
  readonly mc = new Set<number>();

  constructor(real_dev: net_device, proto: number, id: number) {
    this.real_dev = real_dev;
    this.vlan_proto = proto;
    this.vlan_id = id;
  }
}

export function vlan_dev_priv_of(dev: net_device): vlan_dev_priv {
  return dev.priv as vlan_dev_priv;
}

/** vlan_dev_sync: what this device wants to hear, the one below must listen to. */
function vlan_dev_set_rx_mode(dev: net_device): void {
  const vlan = vlan_dev_priv_of(dev);
  const { real_dev } = vlan;
  const up = (dev.flags & IFF_UP) !== 0;
  const promisc = up && (dev.flags & IFF_PROMISC) !== 0;
  if (promisc !== vlan.promisc) dev_set_promiscuity(real_dev, promisc ? 1 : -1);
  vlan.promisc = promisc;
  const allmulti = up && (dev.flags & IFF_ALLMULTI) !== 0;
  if (allmulti !== vlan.allmulti) dev_set_allmulti(real_dev, allmulti ? 1 : -1);
  vlan.allmulti = allmulti;
  // A card has one address: for another one it must take everything (dev_uc_add).
  const differs = up && !dev.dev_addr.every((byte, i) => byte === real_dev.dev_addr[i]);
  if (differs !== vlan.address_differs) dev_set_promiscuity(real_dev, differs ? 1 : -1);
  vlan.address_differs = differs;
  for (const address of vlan.mc) {
    if (up && dev.mc.has(address)) continue;
    vlan.mc.delete(address);
    dev_mc_del(real_dev, address);
  }
  if (!up) return;
  for (const address of dev.mc.keys()) {
    if (vlan.mc.has(address)) continue;
    vlan.mc.add(address);
    dev_mc_add(real_dev, address);
  }
}

const vlan_netdev_ops: net_device_ops = {
  /** vlan_dev_open */
  ndo_open(dev) {
    const { real_dev } = vlan_dev_priv_of(dev);
    if ((real_dev.flags & IFF_UP) === 0) return -ENETDOWN;
    if (real_dev.carrier) netif_carrier_on(dev);
    return 0;
  },
  /** vlan_dev_stop */
  ndo_stop(dev) {
    const flags = dev.flags;
    dev.flags &= ~IFF_UP;
    vlan_dev_set_rx_mode(dev);
    dev.flags = flags;
    return 0;
  },
  /** vlan_dev_hard_start_xmit: the tag, then the device below, which puts it into the frame. */
  ndo_start_xmit(skb, dev) {
    const vlan = vlan_dev_priv_of(dev);
    const { stats } = dev;
    const length = skb.len;
    const prio = vlan.egress_priority_map.get(skb.priority) ?? 0;
    __vlan_hwaccel_put_tag(skb, vlan.vlan_proto, vlan.vlan_id | (prio << 13));
    skb.dev = vlan.real_dev;
    const result = dev_queue_xmit(skb);
    if (result === NET_XMIT_SUCCESS || result === NET_XMIT_CN) {
      stats.tx_packets++;
      stats.tx_bytes += length;
    } else {
      stats.tx_dropped++;
    }
    return NETDEV_TX_OK;
  },
  ndo_set_rx_mode: vlan_dev_set_rx_mode,
  ndo_set_mac_address(dev, address) {
    dev.dev_addr.set(address);
    vlan_dev_set_rx_mode(dev);
    return 0;
  },
  ndo_change_mtu(dev, mtu) {
    return mtu > vlan_dev_priv_of(dev).real_dev.mtu ? -ERANGE : 0;
  },
};

/**
 * register_vlan_device: `name` left out is DEV.ID. The device, or -ERANGE (id), -EEXIST, -EOPNOTSUPP (below is no
 * Ethernet), -EINVAL.
 */
export function register_vlan_device(
  real_dev: net_device,
  id: number,
  name = `${real_dev.name}.${id}`,
  proto = ETH_P_8021Q,
): net_device | number {
  if (!(id >= 0 && id < VLAN_N_VID - 1)) return -ERANGE;
  if (proto !== ETH_P_8021Q && proto !== ETH_P_8021AD) return -EINVAL;
  if (real_dev.header_ops === null || (real_dev.flags & IFF_LOOPBACK) !== 0) return -EOPNOTSUPP;
  real_dev.vlan_info ??= new int_map<net_device>();
  if (real_dev.vlan_info.get(vlan_key(proto, id)) !== null) return -EEXIST;
  const dev = alloc_netdev(real_dev.kernel, name, vlan_netdev_ops, vlan => {
    ether_setup(vlan);
    vlan.flags = real_dev.flags & ~(IFF_UP | IFF_PROMISC | IFF_ALLMULTI);
    vlan.mtu = real_dev.mtu;
    vlan.min_mtu = 0;
    vlan.max_mtu = 65535;
    vlan.hard_header_len = ETH_HLEN + ((real_dev.features & NETIF_F_HW_VLAN_CTAG_TX) === 0 ? VLAN_HLEN : 0);
    vlan.tx_queue_len = 0;
    vlan.dev_addr.set(real_dev.dev_addr);
    // What the card below does with a frame it does with a tagged one, but for checksums: they are made here.
    vlan.carrier = real_dev.carrier;
  });
  dev.priv = new vlan_dev_priv(real_dev, proto, id);
  const result = register_netdev(dev);
  if (result !== 0) return result;
  real_dev.vlan_info.set(vlan_key(proto, id), dev);
  return dev;
}

/** unregister_vlan_dev */
export function unregister_vlan_dev(dev: net_device): void {
  const vlan = vlan_dev_priv_of(dev);
  unregister_netdev(dev);
  vlan.real_dev.vlan_info?.delete(vlan_key(vlan.vlan_proto, vlan.vlan_id));
}

/** is_vlan_dev */
export function is_vlan_dev(dev: net_device): boolean {
  return dev.priv instanceof vlan_dev_priv;
}

/** vlan_device_event: what happens to a device happens to the VLANs on it. */
function vlan_device_event(event: number, dev: net_device): void {
  if (is_vlan_dev(dev) && event === NETDEV_UNREGISTER) {
    const vlan = vlan_dev_priv_of(dev);
    vlan.real_dev.vlan_info?.delete(vlan_key(vlan.vlan_proto, vlan.vlan_id));
  }
  if (dev.vlan_info === null) return;
  for (const vlan_dev of dev.vlan_info.values()) {
    switch (event) {
      case NETDEV_CHANGE:
        if (dev.carrier) netif_carrier_on(vlan_dev);
        else netif_carrier_off(vlan_dev);
        break;
      case NETDEV_CHANGEMTU:
        if (vlan_dev.mtu > dev.mtu) dev_set_mtu(vlan_dev, dev.mtu);
        break;
      case NETDEV_DOWN:
        dev_close(vlan_dev);
        break;
      case NETDEV_UP:
        if (dev.carrier) netif_carrier_on(vlan_dev);
        dev_open(vlan_dev);
        break;
      case NETDEV_UNREGISTER:
        unregister_vlan_dev(vlan_dev);
        break;
    }
  }
}

/** vlan_proto_init */
export function vlan_init(net: net): void {
  vlan_offload_init(net);
  net.register_netdevice_notifier(vlan_device_event);
}
