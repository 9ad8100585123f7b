/** IPv4 addresses of devices (net/ipv4/devinet.c), and the routes that follow from them (net/ipv4/fib_frontend.c). */
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV } from '../../errno.ts';
import type { neigh_parms } from '../core/neigh_parms.ts';
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type net,
} from '../core/net_namespace.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../core/netdevice.ts';
import { ETH_P_ARP } from '../ethernet/eth.ts';
import { ARPOP_REQUEST, arp_parms_alloc, arp_send } from './arp.ts';
import { ipv4_devconf } from './devconf.ts';
import {
  fib_add_ifaddr,
  fib_del_ifaddr,
  fib_disable_ip,
  fib_flush,
  fib_sync_down_addr,
  fib_sync_link,
  fib_sync_up,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTNH_F_DEAD,
  rt_cache_flush,
} from './fib.ts';
import { igmp_dev, type ip_mc_list } from './igmp.ts';
import { ip_mc_destroy_dev, ip_mc_down, ip_mc_up } from './igmp_group.ts';
import { INADDR_LOOPBACK, inet_make_mask, ipv4_is_loopback } from './ip_header.ts';
import type { rtable } from './route.ts';

export const IFA_F_SECONDARY = 1;
/** Smallest MTU with which IPv4 works (RFC 791). */
const IPV4_MIN_MTU = 68;

/** struct in_ifaddr: one address of a device. */
export class in_ifaddr {
  readonly ifa_dev: in_device;
  readonly ifa_local: number;
  readonly ifa_prefixlen: number;
  readonly ifa_mask: number;
  readonly ifa_broadcast: number;
  readonly ifa_scope: number;
  ifa_flags = 0;

  constructor(in_dev: in_device, local: number, prefix_len: number, broadcast: number, scope: number) {
    this.ifa_dev = in_dev;
    this.ifa_local = local | 0;
    this.ifa_prefixlen = prefix_len;
    this.ifa_mask = inet_make_mask(prefix_len);
    this.ifa_broadcast = broadcast | 0;
    this.ifa_scope = scope;
  }

  /** The network the address lies in. */
  prefix(): number {
    return this.ifa_local & this.ifa_mask;
  }

  /** inet_ifa_match */
  match(addr: number): boolean {
    return ((addr ^ this.ifa_local) & this.ifa_mask) === 0;
  }
}

/** struct in_device: what IPv4 knows of a device. */
export class in_device {
  readonly dev: net_device;
  readonly net: net;
  /** Primaries by scope, the widest first, then secondaries. */
  readonly ifa_list: in_ifaddr[] = [];
  readonly cnf = new ipv4_devconf();
  readonly arp_parms: neigh_parms;
  /** Groups this host listens to on the device, and IGMP's state. */
  readonly mc_list = new Map<number, ip_mc_list>();
  readonly igmp: igmp_dev;
  /** Routes over this device that hang at no next hop (broadcast, multicast, on-link by force), by kind; see route.ts. */
  readonly rt_uncached: (rtable | null)[] = [null, null, null, null];

  constructor(dev: net_device) {
    this.dev = dev;
    this.net = dev.nd_net;
    this.cnf.assign(this.net.ipv4.devconf_dflt);
    this.arp_parms = arp_parms_alloc(this.net, dev);
    this.igmp = new igmp_dev(this);
  }

  private get all(): ipv4_devconf {
    return this.net.ipv4.devconf_all;
  }

  // The IN_DEV_* macros (linux/inetdevice.h): the device's setting, joined with conf.all's in each one's own way.

  forward(): boolean {
    return this.cnf.forwarding !== 0;
  }

  rp_filter(): number {
    return Math.max(this.cnf.rp_filter, this.all.rp_filter);
  }

  accept_local(): boolean {
    return (this.cnf.accept_local | this.all.accept_local) !== 0;
  }

  /** IN_DEV_SOURCE_ROUTE */
  source_route(): boolean {
    return (this.cnf.accept_source_route & this.all.accept_source_route) !== 0;
  }

  /** IN_DEV_BFORWARD */
  bc_forwarding(): boolean {
    return (this.cnf.bc_forwarding & this.all.bc_forwarding) !== 0;
  }

  /** IN_DEV_SRC_VMARK */
  src_valid_mark(): boolean {
    return (this.cnf.src_valid_mark | this.all.src_valid_mark) !== 0;
  }

  route_localnet(): boolean {
    return (this.cnf.route_localnet | this.all.route_localnet) !== 0;
  }

  log_martians(): boolean {
    return (this.cnf.log_martians | this.all.log_martians) !== 0;
  }

  /** IN_DEV_TX_REDIRECTS */
  send_redirects(): boolean {
    return (this.cnf.send_redirects | this.all.send_redirects) !== 0;
  }

  /** IN_DEV_RX_REDIRECTS: a host obeys them if either setting says so, a router only if both do. */
  accept_redirects(): boolean {
    const { cnf, all } = this;
    const on = this.forward()
      ? cnf.accept_redirects & all.accept_redirects
      : cnf.accept_redirects | all.accept_redirects;
    return on !== 0;
  }

  secure_redirects(): boolean {
    return (this.cnf.secure_redirects | this.all.secure_redirects) !== 0;
  }

  shared_media(): boolean {
    return (this.cnf.shared_media | this.all.shared_media) !== 0;
  }

  medium_id(): number {
    return this.cnf.medium_id;
  }

  proxy_arp_pvlan(): boolean {
    return this.cnf.proxy_arp_pvlan !== 0;
  }

  proxy_arp(): boolean {
    return (this.cnf.proxy_arp | this.all.proxy_arp) !== 0;
  }

  arp_filter(): boolean {
    return (this.cnf.arp_filter | this.all.arp_filter) !== 0;
  }

  arp_announce(): number {
    return Math.max(this.cnf.arp_announce, this.all.arp_announce);
  }

  arp_ignore(): number {
    return Math.max(this.cnf.arp_ignore, this.all.arp_ignore);
  }

  arp_accept(): number {
    return Math.max(this.cnf.arp_accept, this.all.arp_accept);
  }

  arp_notify(): boolean {
    return Math.max(this.cnf.arp_notify, this.all.arp_notify) !== 0;
  }

  arp_evict_nocarrier(): boolean {
    return (this.cnf.arp_evict_nocarrier & this.all.arp_evict_nocarrier) !== 0;
  }

  drop_gratuitous_arp(): boolean {
    return (this.cnf.drop_gratuitous_arp | this.all.drop_gratuitous_arp) !== 0;
  }

  drop_unicast_in_l2_multicast(): boolean {
    return (this.cnf.drop_unicast_in_l2_multicast | this.all.drop_unicast_in_l2_multicast) !== 0;
  }

  promote_secondaries(): boolean {
    return (this.cnf.promote_secondaries | this.all.promote_secondaries) !== 0;
  }

  ignore_linkdown(): boolean {
    return (this.cnf.ignore_routes_with_linkdown | this.all.ignore_routes_with_linkdown) !== 0;
  }
}

/** devinet_init: every device gets its in_device, and what happens to devices is followed. */
export function devinet_init(net: net): void {
  net.ipv4.devconf_dflt.accept_source_route = 1;
  for (const dev of net.devices) inetdev_event(NETDEV_REGISTER, dev);
  net.register_netdevice_notifier(inetdev_event);
  net.register_netdevice_notifier(fib_netdev_event);
}

/** inet_lookup_ifaddr_rcu: the address, when it is one of ours. */
export function inet_lookup_ifaddr(net: net, addr: number): in_ifaddr | null {
  return net.ipv4.inet_addr_lst.get(addr);
}

/**
 * inet_addr_add (`ip address add`): 0, -EINVAL, -EEXIST or -ENODEV. `broadcast` defaults to the subnet's. The scope
 * is that of the address: host for 127/8, else global, unless it is given.
 */
export function inet_addr_add(
  dev: net_device,
  address: number,
  prefix_len: number,
  broadcast?: number,
  scope_wanted?: number,
): number {
  const addr = address | 0;
  if (prefix_len < 0 || prefix_len > 32) return -EINVAL;
  if (dev.ip_ptr === null) return -ENODEV;
  // __inet_insert_ifa: no address is no error. A group's or a broadcast address is as good as any.
  if (addr === 0) return 0;
  const brd = broadcast ?? (prefix_len < 31 ? addr | ~inet_make_mask(prefix_len) : 0);
  const scope = scope_wanted ?? (ipv4_is_loopback(addr) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE);
  dev.ip_ptr.cnf.setall();
  return inet_insert_ifa(new in_ifaddr(dev.ip_ptr, addr, prefix_len, brd, scope));
}

/** inet_insert_ifa: a further address in a subnet that the device has already is a secondary one. */
function inet_insert_ifa(ifa: in_ifaddr): number {
  const { ifa_list, net } = ifa.ifa_dev;
  let at = 0;
  for (let i = 0; i < ifa_list.length; i++) {
    const other = ifa_list[i] as in_ifaddr;
    if ((other.ifa_flags & IFA_F_SECONDARY) === 0 && ifa.ifa_scope <= other.ifa_scope) at = i + 1;
    if (other.ifa_mask === ifa.ifa_mask && other.match(ifa.ifa_local)) {
      if (other.ifa_local === ifa.ifa_local) return -EEXIST;
      if (other.ifa_scope !== ifa.ifa_scope) return -EINVAL;
      ifa.ifa_flags |= IFA_F_SECONDARY;
    }
  }
  ifa_list.splice((ifa.ifa_flags & IFA_F_SECONDARY) !== 0 ? ifa_list.length : at, 0, ifa);
  // inet_hash_insert: the first of two equal addresses on two devices counts.
  if (net.ipv4.inet_addr_lst.get(ifa.ifa_local) === null) net.ipv4.inet_addr_lst.set(ifa.ifa_local, ifa);
  // fib_inetaddr_event
  fib_add_ifaddr(ifa);
  addresses_changed(net);
  inetaddr_notify(NETDEV_UP, ifa);
  return 0;
}

/** inet_addr_del (`ip address del`): 0 or -EADDRNOTAVAIL. A primary takes its secondaries along, or hands over to one. */
export function inet_addr_del(dev: net_device, address: number, prefix_len: number): number {
  const in_dev = dev.ip_ptr;
  const ifa = in_dev?.ifa_list.find(entry => entry.ifa_local === (address | 0) && entry.ifa_prefixlen === prefix_len);
  if (in_dev === null || ifa === undefined) return -EADDRNOTAVAIL;
  const { net } = in_dev;
  const secondaries =
    (ifa.ifa_flags & IFA_F_SECONDARY) !== 0
      ? []
      : in_dev.ifa_list.filter(
          entry =>
            (entry.ifa_flags & IFA_F_SECONDARY) !== 0 && entry.ifa_mask === ifa.ifa_mask && entry.match(ifa.ifa_local),
        );
  const promoted = in_dev.promote_secondaries() ? secondaries.shift() : undefined;
  const gone = promoted === undefined ? [ifa, ...secondaries] : [ifa];
  for (const entry of gone) {
    in_dev.ifa_list.splice(in_dev.ifa_list.indexOf(entry), 1);
    if (inet_lookup_ifaddr(net, entry.ifa_local) === entry) {
      net.ipv4.inet_addr_lst.delete(entry.ifa_local);
      const other = net.devices.flatMap(d => d.ip_ptr?.ifa_list ?? []).find(e => e.ifa_local === entry.ifa_local);
      if (other !== undefined) net.ipv4.inet_addr_lst.set(other.ifa_local, other);
    }
  }
  if (promoted !== undefined) promoted.ifa_flags &= ~IFA_F_SECONDARY;
  // Routes that prefer an address that is no longer ours go, too.
  let dead = 0;
  for (const entry of gone) if (fib_del_ifaddr(entry)) dead += fib_sync_down_addr(net, entry.ifa_local);
  if (dead > 0) fib_flush(net);
  if (promoted !== undefined) for (const entry of [promoted, ...secondaries]) fib_add_ifaddr(entry);
  addresses_changed(net);
  for (const entry of gone) inetaddr_notify(NETDEV_DOWN, entry);
  // The last address is gone: IP is off on this device.
  if (in_dev.ifa_list.length === 0) fib_disable_ip(net, dev, true);
  return 0;
}

/** register_inetaddr_notifier: told of addresses that come (NETDEV_UP) and go (NETDEV_DOWN). */
export function register_inetaddr_notifier(net: net, callback: (event: number, ifa: in_ifaddr) => void): void {
  net.ipv4.inetaddr_chain.push(callback);
}

function inetaddr_notify(event: number, ifa: in_ifaddr): void {
  for (const callback of ifa.ifa_dev.net.ipv4.inetaddr_chain) callback(event, ifa);
}

function addresses_changed(net: net): void {
  net.ipv4.dev_addr_genid = (net.ipv4.dev_addr_genid + 1) | 0;
  rt_cache_flush(net);
}

/** inetdev_event: what IPv4's addresses have to do with what happens to a device. */
function inetdev_event(event: number, dev: net_device): void {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) {
    if (event !== NETDEV_REGISTER && event !== NETDEV_CHANGEMTU) return;
    if (dev.mtu >= IPV4_MIN_MTU) inetdev_init(dev);
    return;
  }
  if (event === NETDEV_UP) {
    if (dev.mtu < IPV4_MIN_MTU) return;
    if ((dev.flags & IFF_LOOPBACK) !== 0 && in_dev.ifa_list.length === 0) {
      inet_insert_ifa(new in_ifaddr(in_dev, INADDR_LOOPBACK, 8, 0, RT_SCOPE_HOST));
    }
    ip_mc_up(in_dev);
    if (in_dev.arp_notify()) inetdev_send_gratuitous_arp(in_dev);
  } else if (event === NETDEV_CHANGEADDR) {
    if (in_dev.arp_notify()) inetdev_send_gratuitous_arp(in_dev);
  } else if (event === NETDEV_DOWN) {
    ip_mc_down(in_dev);
  } else if (event === NETDEV_UNREGISTER || (event === NETDEV_CHANGEMTU && dev.mtu < IPV4_MIN_MTU)) {
    inetdev_destroy(in_dev);
  }
}

function inetdev_init(dev: net_device): void {
  const in_dev = new in_device(dev);
  dev.ip_ptr = in_dev;
  if ((dev.flags & IFF_UP) !== 0) ip_mc_up(in_dev);
}

function inetdev_destroy(in_dev: in_device): void {
  ip_mc_destroy_dev(in_dev);
  for (;;) {
    const ifa = in_dev.ifa_list[0];
    if (ifa === undefined) break;
    inet_addr_del(in_dev.dev, ifa.ifa_local, ifa.ifa_prefixlen);
  }
  fib_disable_ip(in_dev.net, in_dev.dev, true);
  in_dev.dev.ip_ptr = null;
}

/** inetdev_send_gratuitous_arp: tells the neighbours our addresses; also for drivers that ask for it (NETDEV_NOTIFY_PEERS). */
export function inetdev_send_gratuitous_arp(in_dev: in_device): void {
  for (const ifa of in_dev.ifa_list) {
    arp_send(ARPOP_REQUEST, ETH_P_ARP, ifa.ifa_local, in_dev.dev, ifa.ifa_local, null, in_dev.dev.dev_addr, null);
  }
}

/** fib_netdev_event: routes come and go with their device. */
function fib_netdev_event(event: number, dev: net_device): void {
  const net = dev.nd_net;
  if (event === NETDEV_UNREGISTER) {
    fib_disable_ip(net, dev, true);
    return;
  }
  if (dev.ip_ptr === null) return;
  if (event === NETDEV_UP) {
    for (const ifa of dev.ip_ptr.ifa_list) fib_add_ifaddr(ifa);
    fib_sync_up(net, dev, RTNH_F_DEAD);
    net.ipv4.dev_addr_genid = (net.ipv4.dev_addr_genid + 1) | 0;
    rt_cache_flush(net);
  } else if (event === NETDEV_DOWN) fib_disable_ip(net, dev, false);
  else if (event === NETDEV_CHANGE) fib_sync_link(net, dev);
  else if (event === NETDEV_CHANGEMTU) rt_cache_flush(net);
}

/** inet_select_addr: a source address for packets that leave by `dev` towards `dst`, of scope at most `scope`; 0: none. */
export function inet_select_addr(dev: net_device, dst: number, scope: number): number {
  const in_dev = dev.ip_ptr;
  let addr = 0;
  if (in_dev !== null) {
    const localnet_scope = in_dev.route_localnet() ? RT_SCOPE_LINK : RT_SCOPE_HOST;
    const { ifa_list } = in_dev;
    for (let i = 0; i < ifa_list.length; i++) {
      const ifa = ifa_list[i] as in_ifaddr;
      if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) continue;
      if (Math.min(ifa.ifa_scope, localnet_scope) > scope) continue;
      if (dst === 0 || ifa.match(dst)) return ifa.ifa_local;
      if (addr === 0) addr = ifa.ifa_local;
    }
    if (addr !== 0) return addr;
  }
  // Any other device's: the loopback comes first, so that its addresses outside 127/8 are preferred.
  const { devices } = dev.nd_net;
  for (let d = 0; d < devices.length; d++) {
    const list = (devices[d] as net_device).ip_ptr?.ifa_list;
    if (list === undefined) continue;
    for (let i = 0; i < list.length; i++) {
      const ifa = list[i] as in_ifaddr;
      if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) continue;
      if (ifa.ifa_scope !== RT_SCOPE_LINK && ifa.ifa_scope <= scope) return ifa.ifa_local;
    }
  }
  return 0;
}

/** inet_addr_onlink: do both addresses lie in a subnet of the device? */
export function inet_addr_onlink(in_dev: in_device, a: number, b: number): boolean {
  return in_dev.ifa_list.some(ifa => ifa.match(a) && (b === 0 || ifa.match(b)));
}

/**
 * inet_confirm_addr: is `local` an address of the device (null: of any), of scope at most `scope`, and, unless `dst`
 * is 0, in one subnet with `dst`?
 */
export function inet_confirm_addr(
  net: net,
  in_dev: in_device | null,
  dst: number,
  local: number,
  scope: number,
): boolean {
  const list = in_dev !== null ? in_dev.ifa_list : net.devices.flatMap(dev => dev.ip_ptr?.ifa_list ?? []);
  return list.some(
    ifa =>
      ifa.ifa_local === local && ifa.ifa_scope <= scope && (dst === 0 || inet_addr_onlink(ifa.ifa_dev, local, dst)),
  );
}
