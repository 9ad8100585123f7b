/** PACKET_FANOUT: several packet sockets share what one tap sees (net/packet/af_packet.c, packet(7)). */
import type { RandomStream } from '../../arch.ts';
import { EALREADY, EINVAL, ENOMEM, ENOSPC } from '../../errno.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import { __skb_get_hash_symmetric, skb_get_hash } from '../core/flow_dissector.ts';
import type { net, packet_type } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, PACKET_OUTGOING, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import type { sock } from '../core/sock.ts';
import type { packet_sock } from './af_packet.ts';

/** How a group chooses (linux/if_packet.h). */
export const PACKET_FANOUT_HASH = 0;
export const PACKET_FANOUT_LB = 1;
export const PACKET_FANOUT_CPU = 2;
export const PACKET_FANOUT_ROLLOVER = 3;
export const PACKET_FANOUT_RND = 4;
export const PACKET_FANOUT_QM = 5;
export const PACKET_FANOUT_FLAG_ROLLOVER = 0x1000;
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const PACKET_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;

const PACKET_FANOUT_MAX = 256;
const ROLLOVER_HLEN = 16;

const ROOM_NONE = 0;
const ROOM_LOW = 1;
const ROOM_NORMAL = 2;

/** What a member of a group with rollover remembers (struct packet_rollover). */
export class packet_rollover {
  /** Where the last overflow found room. */
  sock = 0;
  readonly history = new Int32Array(ROLLOVER_HLEN);
  num = 0;
  num_huge = 0;
  num_failed = 0;
}

/** A group's tap knows its group. */
interface fanout_hook extends packet_type {
  readonly fanout: packet_fanout;
}

export class packet_fanout {
  readonly net: net;
  readonly id: number;
  readonly type: number;
  readonly flags: number;
  readonly arr: packet_sock[] = [];
  /** All sockets that belong to it, those whose device is down included. */
  members = 0;
  rr_cur = 0;
  readonly prot_hook: fanout_hook;
  readonly random: RandomStream;

  constructor(net: net, id: number, type: number, flags: number, hook: packet_type) {
    this.net = net;
    this.id = id;
    this.type = type;
    this.flags = flags;
    this.random = net.kernel.arch.random('packet.fanout');
    this.prot_hook = {
      type: hook.type,
      dev: hook.dev,
      func: packet_rcv_fanout,
      af_packet_priv: null,
      fanout: this,
      // What a member has sent, no member of its group sees.
      id_match: sk => sk !== null && (sk as packet_sock).fanout === this,
    };
  }
}

/** packet_rcv_fanout: to one of the group. Takes the skb. */
function packet_rcv_fanout(skb: sk_buff, dev: net_device, pt: packet_type, orig_dev: net_device): number {
  const f = (pt as fanout_hook).fanout;
  const num = f.arr.length;
  if (num === 0 || ((f.flags & PACKET_FANOUT_FLAG_IGNORE_OUTGOING) !== 0 && skb.pkt_type === PACKET_OUTGOING)) {
    kfree_skb_reason(skb, SKB_DROP_REASON.CONSUMED);
    return 0;
  }
  let index: number;
  switch (f.type) {
    case PACKET_FANOUT_LB:
      f.rr_cur = (f.rr_cur + 1) >>> 0;
      index = f.rr_cur % num;
      break;
    case PACKET_FANOUT_CPU:
      index = f.net.kernel.cpu.id % num;
      break;
    case PACKET_FANOUT_RND:
      index = reciprocal_scale(f.random.u32(), num);
      break;
    case PACKET_FANOUT_QM:
      index = skb.queue_mapping % num;
      break;
    case PACKET_FANOUT_ROLLOVER:
      index = fanout_demux_rollover(f, skb, 0, false);
      break;
    default:
      index = reciprocal_scale(__skb_get_hash_symmetric(skb), num);
  }
  if ((f.flags & PACKET_FANOUT_FLAG_ROLLOVER) !== 0) index = fanout_demux_rollover(f, skb, index, true);
  const po = f.arr[index] as packet_sock;
  const tp = f.net.kernel.trace.packet_rcv_fanout;
  if (tp !== null) tp(skb, index, num);
  const hook = po.prot_hook as packet_type;
  return hook.func(skb, dev, hook, orig_dev);
}

/** packet_rcv_has_room */
function packet_rcv_has_room(sk: sock, skb: sk_buff): number {
  const available = sk.sk_rcvbuf - sk.sk_rmem_alloc - skb.truesize;
  if (available > sk.sk_rcvbuf >> 2) return ROOM_NORMAL;
  return available > 0 ? ROOM_LOW : ROOM_NONE;
}

/** fanout_flow_is_huge: has the flow more than half of this socket's recent packets? */
function fanout_flow_is_huge(rollover: packet_rollover, skb: sk_buff): boolean {
  const { history } = rollover;
  const hash = skb_get_hash(skb);
  let count = 0;
  for (let i = 0; i < ROLLOVER_HLEN; i++) if (history[i] === hash) count++;
  history[hash & (ROLLOVER_HLEN - 1)] = hash;
  return count > ROLLOVER_HLEN >> 1;
}

/** fanout_demux_rollover: the chosen one while it has room (`try_self`), else the next that has plenty. */
function fanout_demux_rollover(f: packet_fanout, skb: sk_buff, index: number, try_self: boolean): number {
  const num = f.arr.length;
  const po = f.arr[index] as packet_sock;
  const rollover = po.rollover as packet_rollover;
  let room = ROOM_NONE;
  if (try_self) {
    room = packet_rcv_has_room(po, skb);
    if (room === ROOM_NORMAL || (room === ROOM_LOW && !fanout_flow_is_huge(rollover, skb))) return index;
  }
  const first = Math.min(rollover.sock, num - 1);
  let i = first;
  do {
    const next = f.arr[i] as packet_sock;
    if (!(try_self && next === po) && packet_rcv_has_room(next, skb) === ROOM_NORMAL) {
      rollover.sock = i;
      rollover.num++;
      if (room === ROOM_LOW) rollover.num_huge++;
      return i;
    }
    if (++i === num) i = 0;
  } while (i !== first);
  rollover.num_failed++;
  return index;
}

/** The groups of a net. */
function fanout_list(net: net): packet_fanout[] {
  return net.core.fanout as packet_fanout[];
}

/** fanout_add: joins or makes the group. 0, -EINVAL, -EALREADY (a member already), -ENOSPC, -ENOMEM (no id left). */
export function fanout_add(po: packet_sock, id: number, type_flags: number): number {
  const type = type_flags & 0xff;
  const flags = type_flags & 0xff00;
  const known = PACKET_FANOUT_FLAG_ROLLOVER | PACKET_FANOUT_FLAG_UNIQUEID | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
  if (type > PACKET_FANOUT_QM || (flags & ~known) !== 0) return -EINVAL;
  if (type === PACKET_FANOUT_ROLLOVER && (flags & PACKET_FANOUT_FLAG_ROLLOVER) !== 0) return -EINVAL;
  if (po.fanout !== null) return -EALREADY;
  const groups = fanout_list(po.sk_net);
  let unique = id;
  if ((flags & PACKET_FANOUT_FLAG_UNIQUEID) !== 0) {
    if (id !== 0) return -EINVAL;
    while (groups.some(group => group.id === unique)) if (++unique > 0xffff) return -ENOMEM;
  }
  const kept = flags & ~PACKET_FANOUT_FLAG_UNIQUEID;
  let match = groups.find(group => group.id === unique) ?? null;
  if (match !== null && match.flags !== kept) return -EINVAL;
  // Only a socket that runs can join: its type and device are the group's.
  const hook = po.prot_hook;
  if (hook === null) return -EINVAL;
  if (match === null) {
    match = new packet_fanout(po.sk_net, unique, type, kept, hook);
    groups.push(match);
  } else if (match.type !== type || match.prot_hook.type !== hook.type || match.prot_hook.dev !== hook.dev) {
    return -EINVAL;
  }
  if (match.members >= PACKET_FANOUT_MAX) return -ENOSPC;
  match.members++;
  if (type === PACKET_FANOUT_ROLLOVER || (flags & PACKET_FANOUT_FLAG_ROLLOVER) !== 0)
    po.rollover = new packet_rollover();
  po.sk_net.dev_remove_pack(hook);
  po.fanout = match;
  __fanout_link(po);
  return 0;
}

/** __fanout_link: the socket runs: the group's first brings the group's tap. */
export function __fanout_link(po: packet_sock): void {
  const f = po.fanout as packet_fanout;
  f.arr.push(po);
  if (f.arr.length === 1) f.net.dev_add_pack(f.prot_hook);
}

/** __fanout_unlink: the socket stops; the last one takes its place. */
export function __fanout_unlink(po: packet_sock): void {
  const f = po.fanout as packet_fanout;
  const index = f.arr.indexOf(po);
  if (index < 0) return;
  const last = f.arr.pop() as packet_sock;
  if (last !== po) f.arr[index] = last;
  if (f.arr.length === 0) f.net.dev_remove_pack(f.prot_hook);
}

/** fanout_release: the socket is closed; the group goes with its last member. */
export function fanout_release(po: packet_sock): void {
  const f = po.fanout;
  if (f === null) return;
  po.fanout = null;
  if (--f.members > 0) return;
  const groups = fanout_list(f.net);
  groups.splice(groups.indexOf(f), 1);
}

/** What getsockopt(PACKET_FANOUT) says: the id, type and flags above it; 0 outside any group. */
export function fanout_value(po: packet_sock): number {
  const f = po.fanout;
  return f === null ? 0 : f.id | (f.type << 16) | (f.flags << 16);
}
