/**
 * The structures in which a program names groups and their sources (linux/in.h), as bytes: struct ip_mreq, ip_mreqn,
 * ip_mreq_source, ip_msfilter, group_req, group_source_req and group_filter. Addresses are in the network's order, all else
 * in the machine's.
 */
import { EADDRNOTAVAIL, EINVAL } from '../../kernel/errno.ts';
import {
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MSFILTER,
  MCAST_JOIN_GROUP,
  MCAST_LEAVE_GROUP,
  MCAST_MSFILTER,
} from '../../kernel/net/ipv4/ip_mcast_opts.ts';
import { AF_INET, type sockopt } from '../../kernel/net/msg.ts';

const MREQ = 8;
const MREQN = 12;
const MREQ_SOURCE = 12;
/** IP_MSFILTER_SIZE(0) */
const MSFILTER = 16;
const SOCKADDR_STORAGE = 128;
/** Where a group_req has its address: behind the index and a gap. */
const GROUP = 8;
const GROUP_REQ = GROUP + SOCKADDR_STORAGE;
const GROUP_SOURCE_REQ = GROUP_REQ + SOCKADDR_STORAGE;
/** GROUP_FILTER_SIZE(0) */
const GROUP_FILTER = GROUP_REQ + 8;

/** The address of a sockaddr_in; NaN for another family's. */
function sinAddr(view: DataView, at: number): number {
  return view.getUint16(at, true) === AF_INET ? view.getInt32(at + 4) : Number.NaN;
}

/** IP_MULTICAST_IF: an address, or one of the structures that have one. */
export function decodeMulticastIf(view: DataView, opt: sockopt): number {
  const { byteLength } = view;
  if (byteLength < 4) return -EINVAL;
  opt.address = byteLength >= MREQ ? view.getInt32(4) : view.getInt32(0);
  if (byteLength >= MREQN) opt.ifindex = view.getInt32(8, true);
  return 0;
}

/** Mode and sources of a filter: `at` the mode, then their number, then each `step` bytes, the address `inner` into them. */
function sources(view: DataView, at: number, step: number, inner: number, opt: sockopt): number {
  opt.value = view.getUint32(at, true);
  const count = view.getUint32(at + 4, true);
  if (count * step > view.byteLength - at - 8) return -EINVAL;
  for (let i = 0; i < count; i++) {
    const start = at + 8 + i * step;
    const address = inner === 0 ? view.getInt32(start) : sinAddr(view, start);
    if (Number.isNaN(address)) return -EADDRNOTAVAIL;
    opt.list.push(address);
  }
  return 0;
}

function decodeIpGroup(name: number, view: DataView, opt: sockopt): number {
  const { byteLength } = view;
  if (byteLength < MREQ) return -EINVAL;
  opt.multiaddr = view.getInt32(0);
  opt.address = view.getInt32(4);
  if (name === IP_ADD_MEMBERSHIP || name === IP_DROP_MEMBERSHIP) {
    if (byteLength >= MREQN) opt.ifindex = view.getInt32(8, true);
    return 0;
  }
  if (name !== IP_MSFILTER) {
    if (byteLength !== MREQ_SOURCE) return -EINVAL;
    opt.sourceaddr = view.getInt32(8);
    return 0;
  }
  return byteLength < MSFILTER ? -EINVAL : sources(view, 8, 4, 0, opt);
}

/** Fills in `opt` for one of IP_ADD_MEMBERSHIP to MCAST_MSFILTER: 0, -EINVAL, -EADDRNOTAVAIL. */
export function decodeGroup(name: number, view: DataView, opt: sockopt): number {
  if (name <= IP_MSFILTER) return decodeIpGroup(name, view, opt);
  const one = name === MCAST_JOIN_GROUP || name === MCAST_LEAVE_GROUP;
  const size = one ? GROUP_REQ : name === MCAST_MSFILTER ? GROUP_FILTER : GROUP_SOURCE_REQ;
  if (view.byteLength < size) return -EINVAL;
  opt.ifindex = view.getInt32(0, true);
  const group = sinAddr(view, GROUP);
  if (Number.isNaN(group)) return name === MCAST_MSFILTER ? -EADDRNOTAVAIL : -EINVAL;
  opt.multiaddr = group;
  if (one) return 0;
  if (name === MCAST_MSFILTER) return sources(view, GROUP_REQ, SOCKADDR_STORAGE, 4, opt);
  const source = sinAddr(view, GROUP_REQ);
  if (Number.isNaN(source)) return -EADDRNOTAVAIL;
  opt.sourceaddr = source;
  return 0;
}

/** What the program's buffer says of the filter that it asks for: the group, where, and how many sources it has room for. */
export function decodeFilterQuestion(name: number, view: DataView, opt: sockopt): number {
  const size = name === IP_MSFILTER ? MSFILTER : GROUP_FILTER;
  if (view.byteLength < size) return -EINVAL;
  if (name === IP_MSFILTER) {
    opt.multiaddr = view.getInt32(0);
    opt.address = view.getInt32(4);
    return 0;
  }
  opt.ifindex = view.getInt32(0, true);
  const group = sinAddr(view, GROUP);
  if (Number.isNaN(group)) return -EADDRNOTAVAIL;
  opt.multiaddr = group;
  return 0;
}

/** The program's buffer with the answer in it: mode, number of all sources, and as many of them as it said it has room for. */
export function encodeFilter(name: number, given: Uint8Array, opt: sockopt): Uint8Array {
  const mode = name === IP_MSFILTER ? 8 : GROUP_REQ;
  const step = name === IP_MSFILTER ? 4 : SOCKADDR_STORAGE;
  const asked = new DataView(given.buffer, given.byteOffset, given.length).getUint32(mode + 4, true);
  const count = Math.min(asked, opt.list.length, Math.floor((given.length - mode - 8) / step));
  const bytes = given.slice(0, mode + 8 + count * step);
  const view = new DataView(bytes.buffer);
  view.setUint32(mode, opt.value, true);
  view.setUint32(mode + 4, opt.list.length, true);
  for (let i = 0; i < count; i++) {
    const at = mode + 8 + i * step;
    if (step !== 4) {
      bytes.fill(0, at, at + step);
      view.setUint16(at, AF_INET, true);
    }
    view.setInt32(step === 4 ? at : at + 4, opt.list[i] as number);
  }
  return bytes;
}
