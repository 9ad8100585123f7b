/** Reports of IGMP version 3 (RFC 3376 4.2, 5; net/ipv4/igmp.c): current state, and what has changed. */
import { type sk_buff, skb_put, skb_tailroom } from '../core/skbuff.ts';
import type { in_device } from './devinet.ts';
import {
  IGMPV3_HOST_MEMBERSHIP_REPORT,
  igmp_newpack,
  igmp_sendpack,
  igmp_silent,
  type ip_mc_list,
  type ip_sf_list,
} from './igmp.ts';
import { get16, IPHDR_LEN, put16, put32 } from './ip_header.ts';

export const IGMP_MODE_EXCLUDE = 0;
export const IGMP_MODE_INCLUDE = 1;

/** Types of group records. */
export const IGMPV3_MODE_IS_INCLUDE = 1;
export const IGMPV3_MODE_IS_EXCLUDE = 2;
export const IGMPV3_CHANGE_TO_INCLUDE = 3;
export const IGMPV3_CHANGE_TO_EXCLUDE = 4;
export const IGMPV3_ALLOW_NEW_SOURCES = 5;
export const IGMPV3_BLOCK_OLD_SOURCES = 6;

const IGMPV3_ALL_MCR = 0xe0000016 | 0;
const REPORT_HLEN = 8;
const GREC_HLEN = 8;

/** A query for single sources: how many it names, and where. */
export interface igmp_query {
  nsrcs: number;
  readonly skb: sk_buff;
}

/** A report that is being written: a packet is sent when it is full, another one begun. */
class report {
  readonly in_dev: in_device;
  skb: sk_buff | null = null;
  private record = 0;

  constructor(in_dev: in_device) {
    this.in_dev = in_dev;
  }

  /** Bytes left in the packet, 0 when there is none. */
  available(): number {
    const { skb, in_dev } = this;
    if (skb === null) return 0;
    return Math.min(skb_tailroom(skb), in_dev.dev.mtu - skb.len);
  }

  records(): number {
    return this.skb === null ? 0 : get16(this.skb.ram, this.skb.transport_header + 6);
  }

  /** igmpv3_newpack, add_grhead: a record's head. False: there is no way to send it. */
  head(im: ip_mc_list, type: number): boolean {
    if (this.available() < GREC_HLEN) {
      this.send();
      const room = this.in_dev.dev.mtu - IPHDR_LEN - 4;
      const skb = igmp_newpack(this.in_dev, IGMPV3_ALL_MCR, room);
      if (skb === null) return false;
      const at = skb_put(skb, REPORT_HLEN);
      put32(skb.ram, at, IGMPV3_HOST_MEMBERSHIP_REPORT << 24);
      put32(skb.ram, at + 4, 0);
      this.skb = skb;
    }
    const skb = this.skb as sk_buff;
    const { ram } = skb;
    this.record = skb_put(skb, GREC_HLEN);
    put32(ram, this.record, type << 24);
    put32(ram, this.record + 4, im.multiaddr);
    put16(ram, skb.transport_header + 6, this.records() + 1);
    return true;
  }

  source(addr: number): void {
    const skb = this.skb as sk_buff;
    put32(skb.ram, skb_put(skb, 4), addr);
    put16(skb.ram, this.record + 2, get16(skb.ram, this.record + 2) + 1);
  }

  /** igmpv3_sendpack */
  send(): void {
    const { skb } = this;
    this.skb = null;
    if (skb !== null) igmp_sendpack(skb);
  }
}

/** is_in: does a record of this type name the source? */
function is_in(im: ip_mc_list, psf: ip_sf_list, type: number, gdeleted: boolean, sdeleted: boolean): boolean {
  const includes = psf.sf_count[IGMP_MODE_INCLUDE] as number;
  const by_all = im.sfcount[IGMP_MODE_EXCLUDE] === psf.sf_count[IGMP_MODE_EXCLUDE];
  switch (type) {
    case IGMPV3_MODE_IS_INCLUDE:
    case IGMPV3_MODE_IS_EXCLUDE:
      if (gdeleted || sdeleted || (im.gsquery && !psf.sf_gsresp)) return false;
      if (im.sfmode === IGMP_MODE_INCLUDE) return true;
      // Not what somebody wants.
      return includes !== 0 ? type === IGMPV3_MODE_IS_INCLUDE : by_all;
    case IGMPV3_CHANGE_TO_INCLUDE:
      return !gdeleted && !sdeleted && includes !== 0;
    case IGMPV3_CHANGE_TO_EXCLUDE:
      if (gdeleted || sdeleted || im.sfcount[IGMP_MODE_EXCLUDE] === 0 || includes !== 0) return false;
      return by_all;
    case IGMPV3_ALLOW_NEW_SOURCES:
      return !gdeleted && psf.sf_crcount !== 0 && (im.sfmode === IGMP_MODE_INCLUDE) !== sdeleted;
    case IGMPV3_BLOCK_OLD_SOURCES:
      if (im.sfmode === IGMP_MODE_INCLUDE) return gdeleted || (psf.sf_crcount !== 0 && sdeleted);
      return psf.sf_crcount !== 0 && !gdeleted && !sdeleted;
    default:
      return false;
  }
}

/** add_grec: a group's record, if there is anything to say. `gdeleted`, `sdeleted`: of a group, of sources, that were left. */
function add_grec(out: report, im: ip_mc_list, type: number, gdeleted: boolean, sdeleted: boolean): void {
  if (igmp_silent(out.in_dev.net, im.multiaddr)) return;
  const isquery = type === IGMPV3_MODE_IS_INCLUDE || type === IGMPV3_MODE_IS_EXCLUDE;
  const truncate = type === IGMPV3_MODE_IS_EXCLUDE || type === IGMPV3_CHANGE_TO_EXCLUDE;
  const changes = type === IGMPV3_ALLOW_NEW_SOURCES || type === IGMPV3_BLOCK_OLD_SOURCES;
  const list = sdeleted ? im.tomb : im.sources;
  const named = list.filter(psf => is_in(im, psf, type, gdeleted, sdeleted));
  // A list that must not be cut in two gets a packet of its own, if that helps.
  if (truncate && named.length > 0 && out.records() > 0 && out.available() < GREC_HLEN + named.length * 4) out.send();
  let first = true;
  let total = 0;
  for (const psf of named) {
    // RFC 3376 5.1: a change of mode says it all.
    const told = changes && psf.sf_crcount !== 0 && (gdeleted ? im.sfmode === IGMP_MODE_EXCLUDE : im.crcount !== 0);
    if (!told) {
      if (isquery) psf.sf_gsresp = false;
      if (out.available() < 4 + (first ? GREC_HLEN : 0)) {
        if (truncate && !first) break;
        out.send();
        first = true;
      }
      if (first && !out.head(im, type)) return;
      first = false;
      out.source(psf.sf_inaddr);
      total++;
    }
    if (changes && psf.sf_crcount !== 0) {
      psf.sf_crcount--;
      if ((sdeleted || gdeleted) && psf.sf_crcount === 0) list.splice(list.indexOf(psf), 1);
    }
  }
  if (total === 0 && !changes && (im.crcount !== 0 || isquery)) out.head(im, type);
  if (isquery) im.gsquery = false;
}

/** Linux's order: what was joined last comes first. */
function newest_first(in_dev: in_device): ip_mc_list[] {
  return [...in_dev.mc_list.values()].reverse();
}

/** igmpv3_send_report: the present state of one group, or (null) of all. */
export function igmpv3_send_report(in_dev: in_device, im: ip_mc_list | null): void {
  const out = new report(in_dev);
  for (const each of im === null ? newest_first(in_dev) : [im]) {
    const exclude = each.sfcount[IGMP_MODE_EXCLUDE] !== 0;
    add_grec(out, each, exclude ? IGMPV3_MODE_IS_EXCLUDE : IGMPV3_MODE_IS_INCLUDE, false, false);
  }
  out.send();
}

/** igmpv3_send_cr: what has changed, as often as the robustness variable says. */
export function igmpv3_send_cr(in_dev: in_device): void {
  const out = new report(in_dev);
  const { igmp } = in_dev;
  for (const im of [...igmp.mc_tomb].reverse()) {
    if (im.sfmode === IGMP_MODE_INCLUDE) {
      add_grec(out, im, IGMPV3_BLOCK_OLD_SOURCES, true, false);
      add_grec(out, im, IGMPV3_BLOCK_OLD_SOURCES, true, true);
    }
    if (im.crcount === 0) continue;
    if (im.sfmode === IGMP_MODE_EXCLUDE) add_grec(out, im, IGMPV3_CHANGE_TO_INCLUDE, true, false);
    if (--im.crcount !== 0) continue;
    // igmpv3_clear_zeros
    im.tomb = im.tomb.filter(psf => psf.sf_crcount !== 0);
    im.sources = im.sources.filter(psf => psf.sf_crcount !== 0);
  }
  igmp.mc_tomb = igmp.mc_tomb.filter(im => im.crcount !== 0 || im.tomb.length > 0 || im.sources.length > 0);
  for (const im of newest_first(in_dev)) {
    const exclude = im.sfcount[IGMP_MODE_EXCLUDE] !== 0;
    add_grec(out, im, exclude ? IGMPV3_BLOCK_OLD_SOURCES : IGMPV3_ALLOW_NEW_SOURCES, false, false);
    add_grec(out, im, exclude ? IGMPV3_ALLOW_NEW_SOURCES : IGMPV3_BLOCK_OLD_SOURCES, false, true);
    if (im.crcount === 0) continue;
    const type = im.sfmode === IGMP_MODE_EXCLUDE ? IGMPV3_CHANGE_TO_EXCLUDE : IGMPV3_CHANGE_TO_INCLUDE;
    add_grec(out, im, type, false, false);
    im.crcount--;
  }
  out.send();
}
