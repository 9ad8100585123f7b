/** The groups that a device listens to, and the sources of each (net/ipv4/igmp.c); what is said of them is in igmp.ts. */
import { EINVAL, ESRCH } from '../../errno.ts';
import { dev_mc_add, dev_mc_del } from '../core/dev.ts';
import { ARPHRD_ETHER } from '../core/netdevice.ts';
import type { in_device } from './devinet.ts';
import { rt_cache_flush } from './fib.ts';
import {
  IGMP_HOST_LEAVE_MESSAGE,
  IGMP_INITIAL_REPORT_DELAY,
  igmp_ifc_event,
  igmp_old,
  igmp_send_report,
  igmp_silent,
  igmp_start_timer,
  igmp_stop_timer,
  igmp_stop_timers,
  igmp_v1_seen,
  igmp_v2_seen,
  ip_mc_list,
  ip_sf_list,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  robustness,
} from './igmp.ts';
import { INADDR_ALLHOSTS_GROUP, IPPROTO_IGMP } from './ip_header.ts';

// ---- groups -----------------------------------------------------------------------------------------------------

/** ip_eth_mc_map as a 48-bit number (RFC 1112 6.4). */
function ip_eth_mc_map(group: number): number {
  return 0x01005e000000 + (group & 0x7fffff);
}

/** igmp_group_added */
function igmp_group_added(im: ip_mc_list): void {
  const in_dev = im.interface;
  if (!im.loaded) {
    im.loaded = true;
    if (in_dev.dev.type === ARPHRD_ETHER) dev_mc_add(in_dev.dev, ip_eth_mc_map(im.multiaddr));
  }
  if (igmp_silent(in_dev.net, im.multiaddr)) return;
  im.unsolicit_count = in_dev.net.ipv4.igmp_qrv;
  if (igmp_old(in_dev)) {
    igmp_start_timer(im, IGMP_INITIAL_REPORT_DELAY);
    return;
  }
  // RFC 3376 5.1: for new sources only (an including group), there is no change of mode to tell.
  if (im.sfmode === MCAST_EXCLUDE) im.crcount = robustness(in_dev);
  igmp_ifc_event(in_dev);
}

/** igmp_group_dropped. `dead`: the device goes, nobody is told. */
function igmp_group_dropped(im: ip_mc_list, dead: boolean): void {
  const in_dev = im.interface;
  if (im.loaded) {
    im.loaded = false;
    if (in_dev.dev.type === ARPHRD_ETHER) dev_mc_del(in_dev.dev, ip_eth_mc_map(im.multiaddr));
  }
  if (igmp_silent(in_dev.net, im.multiaddr)) return;
  const { reporter } = im;
  igmp_stop_timer(im);
  if (dead || igmp_v1_seen(in_dev)) return;
  if (igmp_v2_seen(in_dev)) {
    if (reporter) igmp_send_report(in_dev, im, IGMP_HOST_LEAVE_MESSAGE);
    return;
  }
  igmpv3_add_delrec(in_dev, im);
  igmp_ifc_event(in_dev);
}

/** igmpv3_add_delrec: what has been left is remembered until it has been told. */
function igmpv3_add_delrec(in_dev: in_device, im: ip_mc_list): void {
  const pmc = new ip_mc_list(in_dev, im.multiaddr, im.sfmode);
  pmc.crcount = robustness(in_dev);
  if (im.sfmode === MCAST_INCLUDE) {
    pmc.tomb = im.tomb;
    pmc.sources = im.sources;
    im.tomb = [];
    im.sources = [];
    for (const psf of pmc.sources) psf.sf_crcount = pmc.crcount;
  }
  in_dev.igmp.mc_tomb.push(pmc);
}

/** igmpv3_del_delrec: joined again before all was told. */
function igmpv3_del_delrec(in_dev: in_device, im: ip_mc_list): void {
  const { igmp } = in_dev;
  const at = igmp.mc_tomb.findIndex(pmc => pmc.multiaddr === im.multiaddr);
  if (at < 0) return;
  const [pmc] = igmp.mc_tomb.splice(at, 1) as [ip_mc_list];
  if (im.sfmode === MCAST_INCLUDE) {
    im.tomb = pmc.tomb;
    im.sources = pmc.sources;
    for (const psf of im.sources) psf.sf_crcount = robustness(in_dev);
  } else im.crcount = robustness(in_dev);
}

/** ip_mc_inc_group: one more reason to listen to a group on this device. */
export function ip_mc_inc_group(in_dev: in_device, group: number, mode: number = MCAST_EXCLUDE): void {
  const known = in_dev.mc_list.get(group);
  if (known !== undefined) {
    known.users++;
    ip_mc_add_src(in_dev, group, mode, [], false);
    return;
  }
  const im = new ip_mc_list(in_dev, group, mode);
  im.sfcount[mode] = 1;
  in_dev.mc_list.set(group, im);
  igmpv3_del_delrec(in_dev, im);
  igmp_group_added(im);
  rt_cache_flush(in_dev.net);
}

/** ip_mc_dec_group */
export function ip_mc_dec_group(in_dev: in_device, group: number, dead = false): void {
  const im = in_dev.mc_list.get(group);
  if (im === undefined || --im.users > 0) return;
  in_dev.mc_list.delete(group);
  igmp_group_dropped(im, dead);
  rt_cache_flush(in_dev.net);
}

/** ip_check_mc_rcu: does the device listen to the group, for this source (0: any) and protocol? */
export function ip_check_mc_rcu(in_dev: in_device, group: number, src: number, proto: number): boolean {
  const im = in_dev.mc_list.get(group);
  if (im === undefined) return false;
  if (proto === IPPROTO_IGMP || src === 0) return true;
  const { sources, sfcount } = im;
  for (let i = 0; i < sources.length; i++) {
    const psf = sources[i] as ip_sf_list;
    if (psf.sf_inaddr !== src) continue;
    return psf.sf_count[MCAST_INCLUDE] !== 0 || psf.sf_count[MCAST_EXCLUDE] !== sfcount[MCAST_EXCLUDE];
  }
  return sfcount[MCAST_EXCLUDE] !== 0;
}

/** ip_mc_up: the device is up; every host is in the group of all hosts (RFC 1112 7.2), others are told anew. */
export function ip_mc_up(in_dev: in_device): void {
  ip_mc_inc_group(in_dev, INADDR_ALLHOSTS_GROUP);
  for (const im of in_dev.mc_list.values()) {
    if (im.multiaddr === INADDR_ALLHOSTS_GROUP) continue;
    igmpv3_del_delrec(in_dev, im);
    igmp_group_added(im);
  }
}

/** ip_mc_down */
export function ip_mc_down(in_dev: in_device): void {
  for (const im of in_dev.mc_list.values()) igmp_group_dropped(im, false);
  igmp_stop_timers(in_dev);
  ip_mc_dec_group(in_dev, INADDR_ALLHOSTS_GROUP);
}

/** ip_mc_destroy_dev: out of every group, however many still want it. */
export function ip_mc_destroy_dev(in_dev: in_device): void {
  for (const im of [...in_dev.mc_list.values()]) {
    im.users = 1;
    ip_mc_dec_group(in_dev, im.multiaddr, true);
  }
  igmp_stop_timers(in_dev);
  in_dev.igmp.mc_tomb = [];
}

// ---- source filters of a group ----------------------------------------------------------------------------------

/** Is the source one that reports name: excluded by all, or included by somebody? */
function source_in(im: ip_mc_list, psf: ip_sf_list): boolean {
  if (im.sfcount[MCAST_EXCLUDE] === 0) return psf.sf_count[MCAST_INCLUDE] !== 0;
  return im.sfcount[MCAST_EXCLUDE] === psf.sf_count[MCAST_EXCLUDE] && psf.sf_count[MCAST_INCLUDE] === 0;
}

function sf_markstate(im: ip_mc_list): void {
  for (const psf of im.sources) psf.sf_oldin = source_in(im, psf);
}

/** sf_setstate: true when there is something to tell. */
function sf_setstate(im: ip_mc_list): boolean {
  const qrv = robustness(im.interface);
  let changed = false;
  for (const psf of im.sources) {
    const now_in = source_in(im, psf);
    if (now_in === psf.sf_oldin) continue;
    changed = true;
    const at = im.tomb.findIndex(dead => dead.sf_inaddr === psf.sf_inaddr);
    if (now_in) {
      if (at >= 0) im.tomb.splice(at, 1);
      psf.sf_crcount = qrv;
    } else {
      psf.sf_crcount = 0;
      const dead = at >= 0 ? (im.tomb[at] as ip_sf_list) : new ip_sf_list(psf.sf_inaddr);
      if (at < 0) im.tomb.push(dead);
      dead.sf_crcount = qrv;
    }
  }
  return changed;
}

function mode_changed(in_dev: in_device, im: ip_mc_list): void {
  im.crcount = robustness(in_dev);
  in_dev.igmp.mr_ifc_count = im.crcount;
  for (const psf of im.sources) psf.sf_crcount = 0;
  igmp_ifc_event(in_dev);
}

/** ip_mc_add_src. `delta`: the mode is counted already. 0 or -ESRCH. */
export function ip_mc_add_src(
  in_dev: in_device,
  group: number,
  mode: number,
  sources: readonly number[],
  delta: boolean,
): number {
  const im = in_dev.mc_list.get(group);
  if (im === undefined) return -ESRCH;
  sf_markstate(im);
  const exclude = im.sfmode === MCAST_EXCLUDE;
  if (!delta) im.sfcount[mode] = (im.sfcount[mode] as number) + 1;
  for (const addr of sources) {
    let psf = im.sources.find(each => each.sf_inaddr === addr);
    if (psf === undefined) {
      psf = new ip_sf_list(addr);
      im.sources.push(psf);
    }
    psf.sf_count[mode] = (psf.sf_count[mode] as number) + 1;
  }
  if (exclude !== (im.sfcount[MCAST_EXCLUDE] !== 0)) {
    if (im.sfcount[MCAST_EXCLUDE] !== 0) im.sfmode = MCAST_EXCLUDE;
    else if (im.sfcount[MCAST_INCLUDE] !== 0) im.sfmode = MCAST_INCLUDE;
    mode_changed(in_dev, im);
  } else if (sf_setstate(im)) igmp_ifc_event(in_dev);
  rt_cache_flush(in_dev.net);
  return 0;
}

/** ip_mc_del_src: 0, -ESRCH, or -EINVAL when nobody is in that mode. */
export function ip_mc_del_src(
  in_dev: in_device,
  group: number,
  mode: number,
  sources: readonly number[],
  delta: boolean,
): number {
  const im = in_dev.mc_list.get(group);
  if (im === undefined) return -ESRCH;
  sf_markstate(im);
  if (!delta) {
    if (im.sfcount[mode] === 0) return -EINVAL;
    im.sfcount[mode] = (im.sfcount[mode] as number) - 1;
  }
  let err = 0;
  let changed = false;
  for (const addr of sources) {
    const at = im.sources.findIndex(each => each.sf_inaddr === addr);
    const psf = im.sources[at];
    if (psf === undefined || psf.sf_count[mode] === 0) {
      err = -ESRCH;
      continue;
    }
    psf.sf_count[mode] = (psf.sf_count[mode] as number) - 1;
    if (psf.sf_count[0] !== 0 || psf.sf_count[1] !== 0) continue;
    im.sources.splice(at, 1);
    if (!psf.sf_oldin || igmp_old(in_dev)) continue;
    psf.sf_crcount = robustness(in_dev);
    im.tomb.push(psf);
    changed = true;
  }
  if (im.sfmode === MCAST_EXCLUDE && im.sfcount[MCAST_EXCLUDE] === 0 && im.sfcount[MCAST_INCLUDE] !== 0) {
    im.sfmode = MCAST_INCLUDE;
    mode_changed(in_dev, im);
  } else if (sf_setstate(im) || changed) igmp_ifc_event(in_dev);
  rt_cache_flush(in_dev.net);
  return err;
}
