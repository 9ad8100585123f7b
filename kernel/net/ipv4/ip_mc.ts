/** Memberships of sockets in groups, and the sources they want (net/ipv4/igmp.c, ip_mc_join_group and its kin). */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../../errno.ts';
import type { net } from '../core/net_namespace.ts';
import type { sock } from '../core/sock.ts';
import type { in_device } from './devinet.ts';
import { ip_dev_find } from './fib.ts';
import { MCAST_EXCLUDE, MCAST_INCLUDE } from './igmp.ts';
import { ip_mc_add_src, ip_mc_dec_group, ip_mc_del_src, ip_mc_inc_group } from './igmp_group.ts';
import { ipv4_is_multicast } from './ip_header.ts';
import { flowi4, ip_route_output_key } from './route.ts';

/** struct ip_mreqn. `imr_ifindex` 0: by `imr_address`; that 0, too: by the route to the group. */
export class ip_mreqn {
  imr_multiaddr: number;
  imr_address: number;
  imr_ifindex: number;

  constructor(multiaddr: number, address = 0, ifindex = 0) {
    this.imr_multiaddr = multiaddr | 0;
    this.imr_address = address | 0;
    this.imr_ifindex = ifindex;
  }
}

/** struct ip_mc_socklist: a socket's membership; `sflist` null: no sources were named. */
export interface ip_mc_socklist {
  readonly multi: ip_mreqn;
  sfmode: number;
  sflist: number[] | null;
}

/** ip_mc_find_dev: sets imr_ifindex. */
function ip_mc_find_dev(net: net, imr: ip_mreqn): in_device | null {
  if (imr.imr_ifindex !== 0) return net.dev_get_by_index(imr.imr_ifindex)?.ip_ptr ?? null;
  let dev = null;
  if (imr.imr_address !== 0) {
    dev = ip_dev_find(net, imr.imr_address);
    if (dev === null) return null;
  } else {
    const fl4 = new flowi4();
    fl4.init(imr.imr_multiaddr, 0);
    const rt = ip_route_output_key(net, fl4);
    if (typeof rt === 'number') return null;
    dev = rt.dev;
  }
  imr.imr_ifindex = dev.ifindex;
  return dev.ip_ptr;
}

function membership(sk: sock, imr: ip_mreqn): ip_mc_socklist | undefined {
  return sk.mc_list?.find(
    iml => iml.multi.imr_multiaddr === imr.imr_multiaddr && iml.multi.imr_ifindex === imr.imr_ifindex,
  );
}

/** ip_mc_join_group: 0, -EINVAL, -ENODEV, -EADDRINUSE, -ENOBUFS (igmp_max_memberships). */
export function ip_mc_join_group(sk: sock, imr: ip_mreqn): number {
  return ip_mc_join_group_ssm(sk, imr, MCAST_EXCLUDE);
}

/** ip_mc_join_group_ssm: MCAST_INCLUDE: for sources that will be named. */
export function ip_mc_join_group_ssm(sk: sock, imr: ip_mreqn, mode: number): number {
  const net = sk.sk_net;
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  const in_dev = ip_mc_find_dev(net, imr);
  if (in_dev === null) return -ENODEV;
  if (membership(sk, imr) !== undefined) return -EADDRINUSE;
  sk.mc_list ??= [];
  if (sk.mc_list.length >= net.ipv4.igmp_max_memberships) return -ENOBUFS;
  const multi = new ip_mreqn(imr.imr_multiaddr, imr.imr_address, imr.imr_ifindex);
  sk.mc_list.unshift({ multi, sfmode: mode, sflist: null });
  ip_mc_inc_group(in_dev, imr.imr_multiaddr, mode);
  return 0;
}

function ip_mc_leave_src(iml: ip_mc_socklist, in_dev: in_device | null): void {
  if (in_dev !== null) ip_mc_del_src(in_dev, iml.multi.imr_multiaddr, iml.sfmode, iml.sflist ?? [], false);
  iml.sflist = null;
}

/** ip_mc_leave_group: 0, -ENODEV, -EADDRNOTAVAIL. */
export function ip_mc_leave_group(sk: sock, imr: ip_mreqn): number {
  const in_dev = ip_mc_find_dev(sk.sk_net, imr);
  if (imr.imr_ifindex === 0 && imr.imr_address === 0 && in_dev === null) return -ENODEV;
  const list = sk.mc_list ?? [];
  for (let i = 0; i < list.length; i++) {
    const iml = list[i] as ip_mc_socklist;
    if (iml.multi.imr_multiaddr !== imr.imr_multiaddr) continue;
    if (imr.imr_ifindex !== 0) {
      if (iml.multi.imr_ifindex !== imr.imr_ifindex) continue;
    } else if (imr.imr_address !== 0 && imr.imr_address !== iml.multi.imr_address) continue;
    list.splice(i, 1);
    ip_mc_leave_src(iml, in_dev);
    if (in_dev !== null) ip_mc_dec_group(in_dev, imr.imr_multiaddr);
    return 0;
  }
  return -EADDRNOTAVAIL;
}

/** ip_mc_drop_socket: it is closed. */
export function ip_mc_drop_socket(sk: sock): void {
  const list = sk.mc_list;
  sk.mc_list = null;
  for (const iml of list ?? []) {
    const in_dev = sk.sk_net.dev_get_by_index(iml.multi.imr_ifindex)?.ip_ptr ?? null;
    ip_mc_leave_src(iml, in_dev);
    if (in_dev !== null) ip_mc_dec_group(in_dev, iml.multi.imr_multiaddr);
  }
}

/**
 * ip_mc_source: one source more, or less, in the filter of a membership.
 * @param omode MCAST_INCLUDE: the only ones wanted; MCAST_EXCLUDE: all but these
 * @returns 0, -EINVAL, -ENODEV, -EADDRNOTAVAIL, -ENOBUFS (igmp_max_msf)
 */
export function ip_mc_source(add: boolean, omode: number, sk: sock, imr: ip_mreqn, source: number): number {
  const net = sk.sk_net;
  const group = imr.imr_multiaddr;
  if (!ipv4_is_multicast(group)) return -EINVAL;
  const in_dev = ip_mc_find_dev(net, imr);
  if (in_dev === null) return -ENODEV;
  const pmc = membership(sk, imr);
  if (pmc === undefined) return -EINVAL;
  if (pmc.sfmode !== omode) {
    if (pmc.sflist !== null) return -EINVAL;
    // An empty filter may change its mode.
    ip_mc_add_src(in_dev, group, omode, [], false);
    ip_mc_del_src(in_dev, group, pmc.sfmode, [], false);
    pmc.sfmode = omode;
  }
  const at = pmc.sflist?.indexOf(source) ?? -1;
  if (!add) {
    if (pmc.sflist === null || at < 0) return -EADDRNOTAVAIL;
    // (INCLUDE, empty) is to leave.
    if (pmc.sflist.length === 1 && omode === MCAST_INCLUDE) return ip_mc_leave_group(sk, imr);
    ip_mc_del_src(in_dev, group, omode, [source], true);
    pmc.sflist.splice(at, 1);
    return 0;
  }
  if (pmc.sflist !== null && pmc.sflist.length >= net.ipv4.igmp_max_msf) return -ENOBUFS;
  if (at >= 0) return -EADDRNOTAVAIL;
  pmc.sflist ??= [];
  pmc.sflist.push(source);
  ip_mc_add_src(in_dev, group, omode, [source], true);
  return 0;
}

/** ip_mc_msfilter: the whole filter of a membership at once. As ip_mc_source. */
export function ip_mc_msfilter(sk: sock, imr: ip_mreqn, fmode: number, sources: readonly number[]): number {
  const group = imr.imr_multiaddr;
  if (!ipv4_is_multicast(group) || (fmode !== MCAST_INCLUDE && fmode !== MCAST_EXCLUDE)) return -EINVAL;
  if (sources.length > sk.sk_net.ipv4.igmp_max_msf) return -ENOBUFS;
  const in_dev = ip_mc_find_dev(sk.sk_net, imr);
  if (in_dev === null) return -ENODEV;
  if (fmode === MCAST_INCLUDE && sources.length === 0) return ip_mc_leave_group(sk, imr);
  const pmc = membership(sk, imr);
  if (pmc === undefined) return -EINVAL;
  const err = ip_mc_add_src(in_dev, group, fmode, sources, false);
  if (err !== 0) return err;
  ip_mc_del_src(in_dev, group, pmc.sfmode, pmc.sflist ?? [], false);
  pmc.sflist = sources.length === 0 ? null : [...sources];
  pmc.sfmode = fmode;
  return 0;
}

/** ip_mc_msfget: the filter of a membership, or -EINVAL, -ENODEV, -EADDRNOTAVAIL. */
export function ip_mc_msfget(sk: sock, imr: ip_mreqn): { fmode: number; sources: readonly number[] } | number {
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  if (ip_mc_find_dev(sk.sk_net, imr) === null) return -ENODEV;
  const pmc = membership(sk, imr);
  return pmc === undefined ? -EADDRNOTAVAIL : { fmode: pmc.sfmode, sources: pmc.sflist ?? [] };
}

/** ip_mc_sf_allow: does the socket want a packet to a group, from this source, that came in by `dif`? */
export function ip_mc_sf_allow(sk: sock, loc_addr: number, rmt_addr: number, dif: number): boolean {
  if (!ipv4_is_multicast(loc_addr)) return true;
  const list = sk.mc_list;
  if (list === null) return sk.opts.mc_all;
  for (let i = 0; i < list.length; i++) {
    const pmc = list[i] as ip_mc_socklist;
    if (pmc.multi.imr_multiaddr !== loc_addr || pmc.multi.imr_ifindex !== dif) continue;
    if (pmc.sflist === null) return pmc.sfmode === MCAST_EXCLUDE;
    return pmc.sflist.includes(rmt_addr) === (pmc.sfmode === MCAST_INCLUDE);
  }
  return sk.opts.mc_all;
}
