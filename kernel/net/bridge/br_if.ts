/** Bridges and their ports: `brctl addbr`, `addif` and the like (net/bridge/br_if.c, br_device.c, br.c). */
import { EBUSY, EINVAL, ELOOP, ENODEV } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import {
  alloc_netdev,
  dev_set_allmulti,
  dev_set_promiscuity,
  netdev_rx_handler_register,
  netdev_rx_handler_unregister,
  netif_carrier_off,
  netif_carrier_on,
  register_netdev,
  unregister_netdev,
} from '../core/dev.ts';
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type net,
} from '../core/net_namespace.ts';
import {
  ARPHRD_ETHER,
  IFF_LOOPBACK,
  NETDEV_TX_OK,
  NETIF_F_HW_CSUM,
  type net_device,
  type net_device_ops,
} from '../core/netdevice.ts';
import { kfree_skb_reason, pskb_may_pull, SKB_DROP_REASON, skb_pull } from '../core/skbuff.ts';
import { ETH_HLEN, ether_setup, is_valid_ether_addr } from '../ethernet/eth.ts';
import { br_fdb_add_local, br_fdb_delete_by_port, br_fdb_find } from './br_fdb.ts';
import { br_flood, br_forward } from './br_forward.ts';
import { br_handle_frame } from './br_input.ts';
import {
  BR_PKT_BROADCAST,
  BR_PKT_MULTICAST,
  BR_PKT_UNICAST,
  BR_STATE_DISABLED,
  BR_STATE_FORWARDING,
  br_of,
  mac_high,
  mac_low,
  net_bridge,
  net_bridge_port,
} from './br_private.ts';

/** Ports of one bridge (BR_MAX_PORTS). */
const BR_MAX_PORTS = 1023;

const br_netdev_ops: net_device_ops = {
  /** br_dev_open */
  ndo_open(dev) {
    for (const p of br_of(dev).ports) br_enable_port(p);
    update_carrier(br_of(dev));
    return 0;
  },
  /** br_dev_stop */
  ndo_stop(dev) {
    for (const p of br_of(dev).ports) br_disable_port(p);
    return 0;
  },
  /** br_dev_xmit: what this host sends through the bridge. */
  ndo_start_xmit(skb, dev) {
    const br = br_of(dev);
    dev.stats.tx_packets++;
    dev.stats.tx_bytes += skb.len;
    if (!pskb_may_pull(skb, ETH_HLEN)) {
      kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_SMALL);
      return NETDEV_TX_OK;
    }
    skb.mac_header = skb.data;
    const high = mac_high(skb, skb.data);
    const low = mac_low(skb, skb.data);
    skb_pull(skb, ETH_HLEN);
    if ((high & 0x0100) !== 0) {
      const broadcast = high === 0xffff && low === -1;
      br_flood(br, skb, broadcast ? BR_PKT_BROADCAST : BR_PKT_MULTICAST, null, false);
      return NETDEV_TX_OK;
    }
    const fdb = br_fdb_find(br, high, low);
    if (fdb !== null) br_forward(fdb.dst, skb, null, false);
    else br_flood(br, skb, BR_PKT_UNICAST, null, false);
    return NETDEV_TX_OK;
  },
  /** br_set_mac_address */
  ndo_set_mac_address(dev, address) {
    const br = br_of(dev);
    br_fdb_delete_by_port(br, null, true);
    dev.dev_addr.set(address);
    br_fdb_add_local(br, null, address);
    br.mac_is_set = true;
    return 0;
  },
};

/** br_add_bridge: `ip link add NAME type bridge`. The bridge's device or a negative errno. */
export function br_add_bridge(kernel: Kernel, name: string): net_device | number {
  const dev = alloc_netdev(kernel, name, br_netdev_ops, self => {
    ether_setup(self);
    self.tx_queue_len = 0;
    self.max_mtu = 65535;
    // Checksums are left to the port's device, or made before it.
    self.features |= NETIF_F_HW_CSUM;
  });
  // A random address until there is a port: locally administered, unicast.
  const random = kernel.arch.random('bridge.address');
  const words = [random.u32(), random.u32()] as const;
  for (let i = 0; i < 6; i++) dev.dev_addr[i] = (words[i >> 2] as number) >>> ((i & 3) * 8);
  dev.dev_addr[0] = ((dev.dev_addr[0] as number) & 0xfe) | 0x02;
  const br = new net_bridge(dev);
  dev.priv = br;
  const result = register_netdev(dev);
  if (result !== 0) return result;
  br_fdb_add_local(br, null, dev.dev_addr);
  return dev;
}

/** br_del_bridge: 0, or -EBUSY while it is up. */
export function br_del_bridge(dev: net_device): number {
  if (dev.running) return -EBUSY;
  unregister_netdev(dev);
  return 0;
}

/** br_dev_delete: the device goes, by whatever way: its ports are free again, and nothing is remembered. */
function br_dev_delete(dev: net_device): void {
  const br = br_of(dev);
  for (const p of [...br.ports]) del_nbp(p);
  br_fdb_delete_by_port(br, null, true);
  br.gc_timer.del();
}

/** br_add_if: 0, or -EINVAL (no Ethernet), -ELOOP (a bridge), -EBUSY (a port already, or no number left). */
export function br_add_if(br_dev: net_device, dev: net_device): number {
  const br = br_of(br_dev);
  if ((dev.flags & IFF_LOOPBACK) !== 0 || dev.type !== ARPHRD_ETHER || !is_valid_ether_addr(dev.dev_addr)) {
    return -EINVAL;
  }
  if (dev.priv instanceof net_bridge) return -ELOOP;
  if (dev.master !== null || br.ports.length >= BR_MAX_PORTS) return -EBUSY;
  const used = new Set(br.ports.map(port => port.port_no));
  let port_no = 1;
  while (used.has(port_no)) port_no++;
  const p = new net_bridge_port(br, dev, port_no);
  const err = netdev_rx_handler_register(dev, br_handle_frame, p);
  if (err !== 0) return err;
  dev.master = br_dev;
  dev_set_allmulti(dev, 1);
  dev_set_promiscuity(dev, 1);
  br.ports.unshift(p);
  br_fdb_add_local(br, p, dev.dev_addr);
  recalculate(br);
  if (br_dev.running) br_enable_port(p);
  update_carrier(br);
  return 0;
}

/** br_del_if: 0, or -EINVAL when it is no port of this bridge. */
export function br_del_if(br_dev: net_device, dev: net_device): number {
  const br = br_of(br_dev);
  const p = br.ports.find(port => port.dev === dev);
  if (p === undefined) return -EINVAL;
  del_nbp(p);
  recalculate(br);
  update_carrier(br);
  return 0;
}

function del_nbp(p: net_bridge_port): void {
  const { br, dev } = p;
  p.state = BR_STATE_DISABLED;
  br_fdb_delete_by_port(br, p, true);
  netdev_rx_handler_unregister(dev);
  br.ports.splice(br.ports.indexOf(p), 1);
  dev.master = null;
  dev_set_promiscuity(dev, -1);
  dev_set_allmulti(dev, -1);
}

/** br_stp_enable_port: without STP a port forwards as soon as it is up and has a link. */
function br_enable_port(p: net_bridge_port): void {
  if (p.dev.running && p.dev.carrier) p.state = BR_STATE_FORWARDING;
}

/** br_stp_disable_port */
function br_disable_port(p: net_bridge_port): void {
  p.state = BR_STATE_DISABLED;
  br_fdb_delete_by_port(p.br, p, false);
}

/** `bridge link set dev PORT state STATE`: 0, -EINVAL, or -ENODEV for a port that is down. */
export function br_set_port_state(p: net_bridge_port, state: number): number {
  if (!(state >= BR_STATE_DISABLED && state <= 4)) return -EINVAL;
  if (!p.dev.running && state !== BR_STATE_DISABLED) return -ENODEV;
  p.state = state;
  update_carrier(p.br);
  return 0;
}

/** br_get_port: the port that a device is. */
export function br_port_of(dev: net_device): net_bridge_port | null {
  return dev.rx_handler_data instanceof net_bridge_port ? dev.rx_handler_data : null;
}

/** The bridge has a link while one of its ports forwards. */
function update_carrier(br: net_bridge): void {
  if (br.ports.some(p => p.state === BR_STATE_FORWARDING)) netif_carrier_on(br.dev);
  else netif_carrier_off(br.dev);
}

/** br_stp_recalculate_bridge_id, br_mtu_auto_adjust: the smallest address and the smallest MTU of the ports. */
function recalculate(br: net_bridge): void {
  let mtu = Infinity;
  let lowest: Uint8Array | null = null;
  for (const { dev } of br.ports) {
    mtu = Math.min(mtu, dev.mtu);
    if (lowest === null || less(dev.dev_addr, lowest)) lowest = dev.dev_addr;
  }
  if (mtu < Infinity && mtu !== br.dev.mtu) {
    br.dev.mtu = mtu;
    br.dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGEMTU, br.dev);
  }
  if (br.mac_is_set || lowest === null || !less_or_more(lowest, br.dev.dev_addr)) return;
  br_fdb_delete_by_port(br, null, true);
  br.dev.dev_addr.set(lowest);
  br_fdb_add_local(br, null, lowest);
  br.dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGEADDR, br.dev);
}

function less(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  return false;
}

function less_or_more(a: Uint8Array, b: Uint8Array): boolean {
  return less(a, b) || less(b, a);
}

/** br_device_event: something happened to a bridge or to a port. */
function br_device_event(event: number, dev: net_device): void {
  if (dev.priv instanceof net_bridge && event === NETDEV_UNREGISTER) br_dev_delete(dev);
  const p = br_port_of(dev);
  if (p === null) return;
  const { br } = p;
  switch (event) {
    case NETDEV_CHANGEADDR:
      br_fdb_delete_by_port(br, p, true);
      br_fdb_add_local(br, p, dev.dev_addr);
      recalculate(br);
      break;
    case NETDEV_CHANGEMTU:
      recalculate(br);
      break;
    case NETDEV_UP:
    case NETDEV_CHANGE:
      // br_port_carrier_check
      if (br.dev.running && dev.running && dev.carrier) {
        if (p.state === BR_STATE_DISABLED) br_enable_port(p);
      } else if (p.state !== BR_STATE_DISABLED) {
        br_disable_port(p);
      }
      update_carrier(br);
      break;
    case NETDEV_DOWN:
      br_disable_port(p);
      update_carrier(br);
      break;
    case NETDEV_UNREGISTER:
      br_del_if(br.dev, dev);
      break;
  }
}

/** br_init */
export function br_init(net: net): void {
  net.register_netdevice_notifier(br_device_event);
}

/** `brctl show` */
export function br_show(net: net): string {
  const lines = ['bridge name\tbridge id\t\tSTP enabled\tinterfaces\n'];
  for (const dev of net.devices) {
    if (!(dev.priv instanceof net_bridge)) continue;
    const id = [...dev.dev_addr].map(byte => byte.toString(16).padStart(2, '0')).join('');
    const names = dev.priv.ports.map(({ dev: port }) => port.name).sort();
    lines.push(`${dev.name}\t\t8000.${id}\tno\t\t${names[0] ?? ''}\n`);
    for (const name of names.slice(1)) lines.push(`\t\t\t\t\t\t\t${name}\n`);
  }
  return lines.join('');
}
