import { csum_fold, csum_partial, put_csum } from '../../lib/checksum.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import { swab32 } from '../../lib/swab.ts';
import { HZ, timer_list } from '../../time/timer.ts';
import { NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_reserve,
} from '../core/skbuff.ts';
import type { in_device } from './devinet.ts';
import { IGMP_MODE_EXCLUDE, IGMP_MODE_INCLUDE, type igmp_query, igmpv3_send_cr, igmpv3_send_report } from './igmpv3.ts';
import {
  get16,
  get32,
  INADDR_ALLHOSTS_GROUP,
  INADDR_ANY,
  IP_DF,
  IPHDR_LEN,
  IPPROTO_IGMP,
  ipv4_is_local_multicast,
  put16,
  put32,
} from './ip_header.ts';
import { ip_local_out } from './ip_output.ts';
import { inet_add_protocol } from './protocol.ts';
import { flowi4, ip_route_output_key, type rtable } from './route.ts';

export {
  ip_mc_drop_socket,
  ip_mc_join_group,
  ip_mc_join_group_ssm,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter,
  ip_mc_sf_allow,
  type ip_mc_socklist,
  ip_mc_source,
  ip_mreqn,
} from './ip_mc.ts';
export { igmpv3_send_report };

/** Filter modes of sockets and groups (linux/in.h). */
export const MCAST_EXCLUDE: number = IGMP_MODE_EXCLUDE;
export const MCAST_INCLUDE: number = IGMP_MODE_INCLUDE;

/** Types of messages (linux/igmp.h). */
export const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
export const IGMP_HOST_MEMBERSHIP_REPORT = 0x12;
export const IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16;
export const IGMP_HOST_LEAVE_MESSAGE = 0x17;
export const IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22;

export const IGMP_ALL_ROUTER = 0xe0000002 | 0;
const IGMP_QUERY_INTERVAL = 125 * HZ;
const IGMP_QUERY_RESPONSE_INTERVAL = 10 * HZ;
/** Response times are in tenths of a second. */
const IGMP_TIMER_UNIT = HZ / 10;
export const IGMP_INITIAL_REPORT_DELAY = 1;
const IGMP_HLEN = 8;
const IGMPV3_QUERY_HLEN = 12;
const IPOPT_RA = 148;

/** struct ip_sf_list: one source in a group's filter, and how many sockets include and exclude it. */
export class ip_sf_list {
  readonly sf_inaddr: number;
  /** By mode: MCAST_EXCLUDE 0, MCAST_INCLUDE 1. */
  readonly sf_count = [0, 0];
  sf_oldin = false;
  sf_gsresp = false;
  /** Reports of a change that are still to be sent. */
  sf_crcount = 0;

  constructor(addr: number) {
    this.sf_inaddr = addr;
  }
}

/** struct ip_mc_list: a group that the device listens to. */
export class ip_mc_list {
  readonly interface: in_device;
  readonly multiaddr: number;
  sources: ip_sf_list[] = [];
  /** Sources that are no longer wanted, as long as that has to be told. */
  tomb: ip_sf_list[] = [];
  sfmode: number;
  readonly sfcount = [0, 0];
  users = 1;
  /** The address filter of the device has it. */
  loaded = false;
  readonly timer: timer_list;
  tm_running = false;
  reporter = false;
  unsolicit_count = 0;
  gsquery = false;
  crcount = 0;

  constructor(in_dev: in_device, addr: number, mode: number) {
    this.interface = in_dev;
    this.multiaddr = addr;
    this.sfmode = mode;
    this.timer = new timer_list(in_dev.net.kernel, () => igmp_timer_expire(this));
  }
}

/** IGMP's part of struct in_device. */
export class igmp_dev {
  /** Jiffies until which an older querier counts as there; 0: none has been heard. */
  mr_v1_seen = 0;
  mr_v2_seen = 0;
  mr_maxdelay = 0;
  /** Query interval, query response interval (jiffies), robustness (0: the sysctl's). */
  mr_qi = IGMP_QUERY_INTERVAL;
  mr_qri = IGMP_QUERY_RESPONSE_INTERVAL;
  mr_qrv = 0;
  mr_gq_running = false;
  mr_ifc_count = 0;
  readonly mr_gq_timer: timer_list;
  readonly mr_ifc_timer: timer_list;
  /** Groups that have been left, as long as that has to be told. */
  mc_tomb: ip_mc_list[] = [];

  constructor(in_dev: in_device) {
    const { kernel } = in_dev.net;
    this.mr_gq_timer = new timer_list(kernel, () => {
      this.mr_gq_running = false;
      igmpv3_send_report(in_dev, null);
    });
    this.mr_ifc_timer = new timer_list(kernel, () => {
      igmpv3_send_cr(in_dev);
      if (this.mr_ifc_count === 0) return;
      this.mr_ifc_count--;
      igmp_ifc_start_timer(in_dev, unsolicited_report_interval(in_dev));
    });
  }
}

/** What IGMP has of its own in a net. */
export class igmp_state {
  readonly fl4 = new flowi4();
  private readonly random: { u32(): number };

  constructor(net: net) {
    this.random = net.kernel.arch.random('igmp');
  }

  /** get_random_u32_below */
  below(limit: number): number {
    return reciprocal_scale(this.random.u32(), limit);
  }
}

/** igmp_mc_init */
export function igmp_init(net: net): void {
  net.ipv4.igmp = new igmp_state(net);
  inet_add_protocol(net, { handler: igmp_rcv, err_handler: () => 0, early_demux: null }, IPPROTO_IGMP);
}

// ---- versions and timers ----------------------------------------------------------------------------------------

function version_seen(in_dev: in_device, version: number, until: number): boolean {
  const forced = Math.max(in_dev.net.ipv4.devconf_all.force_igmp_version, in_dev.cnf.force_igmp_version);
  if (forced !== 0) return forced === version;
  return until !== 0 && in_dev.net.kernel.timers.jiffies() < until;
}

export function igmp_v1_seen(in_dev: in_device): boolean {
  return version_seen(in_dev, 1, in_dev.igmp.mr_v1_seen);
}

export function igmp_v2_seen(in_dev: in_device): boolean {
  return version_seen(in_dev, 2, in_dev.igmp.mr_v2_seen);
}

export function igmp_old(in_dev: in_device): boolean {
  return igmp_v1_seen(in_dev) || igmp_v2_seen(in_dev);
}

/** mr_qrv ?: sysctl_igmp_qrv: how often a change is told. */
export function robustness(in_dev: in_device): number {
  return in_dev.igmp.mr_qrv !== 0 ? in_dev.igmp.mr_qrv : in_dev.net.ipv4.igmp_qrv;
}

function unsolicited_report_interval(in_dev: in_device): number {
  const all = in_dev.net.ipv4.devconf_all;
  const { cnf } = in_dev;
  const ms = igmp_old(in_dev)
    ? Math.max(cnf.igmpv2_unsolicited_report_interval, all.igmpv2_unsolicited_report_interval)
    : Math.max(cnf.igmpv3_unsolicited_report_interval, all.igmpv3_unsolicited_report_interval);
  return Math.max(1, Math.ceil((ms * HZ) / 1000));
}

/** Is the group one that nobody is told of? */
export function igmp_silent(net: net, group: number): boolean {
  if (group === INADDR_ALLHOSTS_GROUP) return true;
  return ipv4_is_local_multicast(group) && net.ipv4.igmp_link_local_mcast_reports === 0;
}

function jiffies(in_dev: in_device): number {
  return in_dev.net.kernel.timers.jiffies();
}

export function igmp_stop_timer(im: ip_mc_list): void {
  im.timer.del();
  im.tm_running = false;
  im.reporter = false;
  im.unsolicit_count = 0;
}

export function igmp_start_timer(im: ip_mc_list, max_delay: number): void {
  const tv = im.interface.net.ipv4.igmp.below(max_delay);
  im.tm_running = true;
  im.timer.mod(jiffies(im.interface) + tv + 2);
}

/** igmp_mod_timer: an answer within `max_delay`; one that is due sooner stays. */
function igmp_mod_timer(im: ip_mc_list, max_delay: number): void {
  im.unsolicit_count = 0;
  if (im.timer.pending() && im.timer.expires - jiffies(im.interface) < max_delay) {
    im.tm_running = true;
    return;
  }
  igmp_start_timer(im, max_delay);
}

function igmp_gq_start_timer(in_dev: in_device): void {
  const { igmp } = in_dev;
  const expires = jiffies(in_dev) + in_dev.net.ipv4.igmp.below(igmp.mr_maxdelay) + 2;
  if (igmp.mr_gq_running && expires >= igmp.mr_gq_timer.expires) return;
  igmp.mr_gq_running = true;
  igmp.mr_gq_timer.mod(expires);
}

function igmp_ifc_start_timer(in_dev: in_device, delay: number): void {
  in_dev.igmp.mr_ifc_timer.mod(jiffies(in_dev) + in_dev.net.ipv4.igmp.below(delay) + 2);
}

/** igmp_ifc_event: something has changed that version 3 tells of. */
export function igmp_ifc_event(in_dev: in_device): void {
  if (igmp_old(in_dev)) return;
  in_dev.igmp.mr_ifc_count = robustness(in_dev);
  igmp_ifc_start_timer(in_dev, 1);
}

/** The device goes down: no report, and no answer to a general query, is to be sent any more. */
export function igmp_stop_timers(in_dev: in_device): void {
  const { igmp } = in_dev;
  igmp.mr_ifc_count = 0;
  igmp.mr_ifc_timer.del();
  igmp.mr_gq_running = false;
  igmp.mr_gq_timer.del();
}

function igmp_timer_expire(im: ip_mc_list): void {
  const in_dev = im.interface;
  im.tm_running = false;
  if (im.unsolicit_count !== 0 && --im.unsolicit_count !== 0) igmp_start_timer(im, unsolicited_report_interval(in_dev));
  im.reporter = true;
  if (igmp_v1_seen(in_dev)) igmp_send_report(in_dev, im, IGMP_HOST_MEMBERSHIP_REPORT);
  else if (igmp_v2_seen(in_dev)) igmp_send_report(in_dev, im, IGMPV2_HOST_MEMBERSHIP_REPORT);
  else igmpv3_send_report(in_dev, im);
}

// ---- sending ----------------------------------------------------------------------------------------------------

/**
 * A packet for `dst` by the device, with an IP header (router alert, TTL 1, network control) but for its length and
 * checksum, and room for `size` bytes, which follow at `tail`. Null: there is no route, or no memory.
 */
export function igmp_newpack(in_dev: in_device, dst: number, size: number): sk_buff | null {
  const { net, dev } = in_dev;
  const { fl4 } = net.ipv4.igmp;
  fl4.init(dst, 0);
  fl4.oif = dev.ifindex;
  fl4.proto = IPPROTO_IGMP;
  const rt: rtable | number = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') return null;
  const hlen = IPHDR_LEN + 4;
  const skb = alloc_skb(net.kernel, MAX_HEADER + hlen + size);
  if (skb === null) return null;
  skb_reserve(skb, MAX_HEADER);
  const at = skb_put(skb, hlen);
  const { ram } = skb;
  skb.network_header = at;
  skb.transport_header = at + hlen;
  skb.dst = rt;
  skb.dev = dev;
  ram.u8[at] = 0x46;
  ram.u8[at + 1] = 0xc0;
  put16(ram, at + 4, 0);
  put16(ram, at + 6, IP_DF);
  ram.u8[at + 8] = 1;
  ram.u8[at + 9] = IPPROTO_IGMP;
  // igmpv3_get_srcaddr: an address of the device itself, or none.
  const own = in_dev.ifa_list.some(ifa => ifa.ifa_local === fl4.saddr);
  put32(ram, at + 12, own ? fl4.saddr : INADDR_ANY);
  put32(ram, at + 16, dst);
  ram.u8[at + 20] = IPOPT_RA;
  ram.u8[at + 21] = 4;
  put16(ram, at + 22, 0);
  return skb;
}

/** Checksum, and off. Takes the skb. */
export function igmp_sendpack(skb: sk_buff): void {
  const { ram } = skb;
  const at = skb.transport_header;
  put16(ram, at + 2, 0);
  put_csum(ram, at + 2, csum_fold(csum_partial(ram, at, skb.tail - at, 0)));
  ip_local_out(skb.kernel.init_net, skb);
}

/** igmp_send_report for the older versions. */
export function igmp_send_report(in_dev: in_device, im: ip_mc_list, type: number): void {
  const dst = type === IGMP_HOST_LEAVE_MESSAGE ? IGMP_ALL_ROUTER : im.multiaddr;
  const skb = igmp_newpack(in_dev, dst, IGMP_HLEN);
  if (skb === null) return;
  const at = skb_put(skb, IGMP_HLEN);
  put32(skb.ram, at, type << 24);
  put32(skb.ram, at + 4, im.multiaddr);
  igmp_sendpack(skb);
}

// ---- receiving --------------------------------------------------------------------------------------------------

/** igmp_rcv: takes the skb. */
function igmp_rcv(skb: sk_buff): number {
  const in_dev = skb.dev === null ? null : skb.dev.ip_ptr;
  let reason: number = SKB_DROP_REASON.UNHANDLED_PROTO;
  if (in_dev === null) reason = SKB_DROP_REASON.DEV_READY;
  else if (!pskb_may_pull(skb, IGMP_HLEN)) reason = SKB_DROP_REASON.PKT_TOO_SMALL;
  else if (!skb_csum_unnecessary(skb) && !skb_checksum_ok(skb, skb.len, 0)) reason = SKB_DROP_REASON.SKB_CSUM;
  else {
    reason = 0;
    const { ram, data } = skb;
    switch (ram.u8[data]) {
      case IGMP_HOST_MEMBERSHIP_QUERY:
        if (!igmp_heard_query(in_dev, skb)) reason = SKB_DROP_REASON.PKT_TOO_SMALL;
        break;
      case IGMP_HOST_MEMBERSHIP_REPORT:
      case IGMPV2_HOST_MEMBERSHIP_REPORT:
        // Not our own come back; and routers do not hear what came to us alone.
        if (!(skb.dst as rtable).rt_is_input) break;
        if (skb.pkt_type === PACKET_MULTICAST || skb.pkt_type === PACKET_BROADCAST)
          igmp_heard_report(in_dev, get32(ram, data + 4));
        break;
      default:
        break;
    }
  }
  if (reason === 0) {
    consume_skb(skb);
    return NET_RX_SUCCESS;
  }
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

/** igmp_heard_report: somebody else has answered: no need for a report of ours. */
function igmp_heard_report(in_dev: in_device, group: number): void {
  if (igmp_silent(in_dev.net, group)) return;
  const im = in_dev.mc_list.get(group);
  if (im !== undefined) igmp_stop_timer(im);
}

/** IGMPV3_MRC, IGMPV3_QQIC: above 127 a small floating point number (RFC 3376 4.1.1). */
function igmpv3_float(code: number): number {
  return code < 128 ? code : (16 | (code & 15)) << (((code >> 4) & 7) + 3);
}

/** igmpv3_clear_delrec: an older querier knows of no sources. */
function igmpv3_clear_delrec(in_dev: in_device): void {
  in_dev.igmp.mc_tomb = [];
  for (const im of in_dev.mc_list.values()) im.tomb = [];
}

/** igmp_heard_query: false for one that cannot be right. */
function igmp_heard_query(in_dev: in_device, skb: sk_buff): boolean {
  const { ram, len } = skb;
  const { igmp, net } = in_dev;
  const code = ram.u8[skb.data + 1] as number;
  let group = get32(ram, skb.data + 4);
  const now = jiffies(in_dev);
  const query: igmp_query = { nsrcs: 0, skb };
  let max_delay: number;
  if (len === IGMP_HLEN) {
    const until = now + robustness(in_dev) * igmp.mr_qi + igmp.mr_qri;
    if (code === 0) {
      max_delay = IGMP_QUERY_RESPONSE_INTERVAL;
      igmp.mr_v1_seen = until;
      group = 0;
    } else {
      max_delay = code * IGMP_TIMER_UNIT;
      igmp.mr_v2_seen = until;
    }
    igmp.mr_ifc_count = 0;
    igmp.mr_ifc_timer.del();
    igmpv3_clear_delrec(in_dev);
  } else if (len < IGMPV3_QUERY_HLEN) {
    return false;
  } else if (igmp_v1_seen(in_dev)) {
    max_delay = IGMP_QUERY_RESPONSE_INTERVAL;
    group = 0;
  } else if (igmp_v2_seen(in_dev)) {
    max_delay = Math.max(1, igmpv3_float(code) * IGMP_TIMER_UNIT);
  } else {
    if (!pskb_may_pull(skb, IGMPV3_QUERY_HLEN)) return false;
    query.nsrcs = get16(ram, skb.data + 10);
    if (query.nsrcs !== 0 && !pskb_may_pull(skb, IGMPV3_QUERY_HLEN + query.nsrcs * 4)) return false;
    max_delay = Math.max(1, igmpv3_float(code) * IGMP_TIMER_UNIT);
    igmp.mr_maxdelay = max_delay;
    const qrv = (ram.u8[skb.data + 8] as number) & 7;
    igmp.mr_qrv = qrv !== 0 ? qrv : net.ipv4.igmp_qrv;
    const qqic = igmpv3_float(ram.u8[skb.data + 9] as number) * HZ;
    igmp.mr_qi = qqic !== 0 ? qqic : IGMP_QUERY_INTERVAL;
    if (igmp.mr_qri >= igmp.mr_qi) igmp.mr_qri = Math.max(0, (igmp.mr_qi / HZ - 1) * HZ);
    if (group === 0) {
      if (query.nsrcs !== 0) return false;
      igmp_gq_start_timer(in_dev);
      return true;
    }
  }
  const mark = query.nsrcs !== 0;
  for (const im of in_dev.mc_list.values()) {
    if ((group !== 0 && group !== im.multiaddr) || igmp_silent(net, im.multiaddr)) continue;
    im.gsquery = im.tm_running ? im.gsquery && mark : mark;
    if (!im.gsquery || igmp_marksources(im, query)) igmp_mod_timer(im, max_delay);
  }
  return true;
}

function query_names(query: igmp_query, source: number): boolean {
  const { skb, nsrcs } = query;
  for (let i = 0; i < nsrcs; i++) if (get32(skb.ram, skb.data + IGMPV3_QUERY_HLEN + i * 4) === source) return true;
  return false;
}

/** igmp_marksources, igmp_xmarksources: does a query for single sources ask for one that we want? */
function igmp_marksources(im: ip_mc_list, query: igmp_query): boolean {
  let count = 0;
  if (im.sfmode === MCAST_EXCLUDE) {
    im.gsquery = false;
    for (const psf of im.sources) {
      const active = psf.sf_count[MCAST_INCLUDE] === 0 && im.sfcount[MCAST_EXCLUDE] === psf.sf_count[MCAST_EXCLUDE];
      if (active && query_names(query, psf.sf_inaddr)) count++;
    }
    return count < query.nsrcs;
  }
  for (const psf of im.sources) {
    if (!query_names(query, psf.sf_inaddr)) continue;
    psf.sf_gsresp = true;
    count++;
  }
  im.gsquery = count !== 0;
  return im.gsquery;
}

// ---- /proc ------------------------------------------------------------------------------------------------------

const hex8 = (value: number): string => (value >>> 0).toString(16).toUpperCase().padStart(8, '0');

/** /proc/net/igmp; timers are in hundredths of a second. */
export function proc_net_igmp(net: net): string {
  const lines = ['Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'];
  for (const { ip_ptr: in_dev, ifindex, name } of net.devices) {
    if (in_dev === null) continue;
    const querier = igmp_v1_seen(in_dev) ? 'V1' : igmp_v2_seen(in_dev) ? 'V2' : 'V3';
    const count = String(in_dev.mc_list.size).padStart(5);
    lines.push(`${ifindex}\t${name.padEnd(10)}: ${count} ${querier.padStart(7)}\n`);
    // The newest first, and addresses as a little-endian machine prints them.
    for (const im of [...in_dev.mc_list.values()].reverse()) {
      const group = hex8(swab32(im.multiaddr));
      const left = im.tm_running ? Math.max(0, im.timer.expires - jiffies(in_dev)) : 0;
      const timer = `${im.tm_running ? 1 : 0}:${hex8(Math.floor((left * 100) / HZ))}`;
      lines.push(`\t\t\t\t${group} ${String(im.users).padStart(5)} ${timer}\t\t${im.reporter ? 1 : 0}\n`);
    }
  }
  return lines.join('');
}
