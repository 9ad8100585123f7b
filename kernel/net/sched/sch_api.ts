/**
 * Configuring queues, as `tc qdisc add|replace|change|del` does over netlink (net/sched/sch_api.c): the same rules and
 * the same errnos.
 */
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, EOPNOTSUPP } from '../../errno.ts';
import type { net_device, netdev_queue } from '../core/netdevice.ts';
import {
  Qdisc,
  type Qdisc_ops,
  type qdisc_options,
  TC_H_MAJ,
  TC_H_MIN,
  TC_H_ROOT,
  TC_H_UNSPEC,
  TCQ_F_BUILTIN,
  TCQ_F_INVISIBLE,
  TCQ_F_ONETXQUEUE,
} from './qdisc.ts';
import { qdisc_lookup_ops } from './registry.ts';
import type { fifo_options } from './sch_fifo.ts';
import type { fq_options } from './sch_fq.ts';
import type { fq_codel_options } from './sch_fq_codel.ts';
import { dev_activate, dev_deactivate, dev_graft_qdisc, qdisc_change, qdisc_put } from './sch_generic.ts';
import type { netem_options } from './sch_netem.ts';
import type { prio_options } from './sch_prio.ts';
import type { tbf_options } from './sch_tbf.ts';

/** A kind with its options. */
export type tc_kind =
  | { readonly kind: 'pfifo' | 'bfifo' | 'pfifo_head_drop'; readonly options?: fifo_options }
  | { readonly kind: 'prio'; readonly options?: prio_options }
  | { readonly kind: 'tbf'; readonly options?: tbf_options }
  | { readonly kind: 'fq'; readonly options?: fq_options }
  | { readonly kind: 'fq_codel'; readonly options?: fq_codel_options }
  | { readonly kind: 'netem'; readonly options?: netem_options }
  | { readonly kind: 'pfifo_fast' | 'mq' | 'noqueue'; readonly options?: undefined };

/** Where: TC_H_ROOT, a class id, or 0 (then `handle` says which); the discipline's own handle, 0 for one that is chosen. */
export interface tc_place {
  readonly parent?: number;
  readonly handle?: number;
  /** Gets what the kernel has to say about a refusal. */
  readonly extack?: netlink_ext_ack | undefined;
}

/** struct netlink_ext_ack: a message beside the errno; empty when there is none. */
export interface netlink_ext_ack {
  _msg: string;
}

/** NL_SET_ERR_MSG, with the errno that goes with it. */
function nl_err(extack: netlink_ext_ack | undefined, errno: number, message: string): number {
  if (extack !== undefined) extack._msg = message;
  return errno;
}

export type tc_request = tc_place & tc_kind;

const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

/** `tc qdisc add`: 0, -EEXIST, -ENOENT (kind or parent), -EINVAL, … */
export function tc_qdisc_add(dev: net_device, request: tc_request): number {
  return tc_modify_qdisc(dev, request, NLM_F_CREATE | NLM_F_EXCL);
}

/** `tc qdisc replace`: adds, changes, or takes the place of another kind. */
export function tc_qdisc_replace(dev: net_device, request: tc_request): number {
  return tc_modify_qdisc(dev, request, NLM_F_CREATE | NLM_F_REPLACE);
}

/** `tc qdisc change`: only what exists, and its own kind. */
export function tc_qdisc_change(dev: net_device, request: tc_request): number {
  return tc_modify_qdisc(dev, request, 0);
}

/** `tc qdisc del`: the default comes back in its place. `kind`, when given, must be right. */
export function tc_qdisc_del(dev: net_device, place: tc_place & { readonly kind?: string }): number {
  const { parent = TC_H_UNSPEC, handle = 0, kind, extack } = place;
  let p: Qdisc | null = null;
  let q: Qdisc | null;
  if (parent !== TC_H_UNSPEC) {
    if (parent !== TC_H_ROOT) {
      p = qdisc_lookup(dev, TC_H_MAJ(parent));
      if (p === null) return nl_err(extack, -ENOENT, 'Failed to find qdisc with specified classid');
      const leaf = qdisc_leaf(p, parent);
      if (typeof leaf === 'number') return nl_err(extack, leaf, 'Failed to find qdisc with specified classid');
      q = leaf;
    } else {
      q = dev.qdisc;
    }
    if (q === null) return nl_err(extack, -ENOENT, 'Cannot find specified qdisc on specified device');
    if (handle !== 0 && q.handle !== handle) return nl_err(extack, -EINVAL, 'Invalid handle');
  } else {
    q = qdisc_lookup(dev, handle);
    if (q === null) return nl_err(extack, -ENOENT, 'Failed to find qdisc with specified handle');
  }
  if (kind !== undefined && kind !== q.ops.id) return nl_err(extack, -EINVAL, BAD_KIND);
  if (parent === TC_H_UNSPEC) return nl_err(extack, -EINVAL, 'Classid cannot be zero');
  if (q.handle === 0) return nl_err(extack, -ENOENT, 'Cannot delete qdisc with handle of zero');
  return qdisc_graft(dev, p, parent, null, extack);
}

/** qdisc_lookup: the discipline with that handle, or null. */
export function qdisc_lookup(dev: net_device, handle: number): Qdisc | null {
  if (handle === 0) return null;
  const root = dev.qdisc;
  if (root !== null && root.handle === handle && (root.flags & TCQ_F_BUILTIN) === 0) return root;
  return dev.qdiscs.find(q => q.handle === handle) ?? null;
}

/** qdisc_leaf: what hangs in a class (null: nothing), -EOPNOTSUPP without classes, -ENOENT without that one. */
function qdisc_leaf(p: Qdisc, classid: number): Qdisc | null | number {
  const { cl_ops } = p.ops;
  if (cl_ops === null) return -EOPNOTSUPP;
  const cl = cl_ops.find(p, classid);
  return cl === 0 ? -ENOENT : cl_ops.leaf(p, cl);
}

/** check_loop: does `p` lie below `q`? */
function check_loop(q: Qdisc, p: Qdisc): boolean {
  for (let up: Qdisc | null = p; up !== null; up = up.parent_sch) if (up === q) return true;
  return false;
}

const BAD_KIND = 'Invalid qdisc name: must match existing qdisc';

function tc_modify_qdisc(dev: net_device, request: tc_request, flags: number): number {
  const { parent = TC_H_UNSPEC, handle = 0, kind, options, extack } = request;
  let p: Qdisc | null = null;
  let q: Qdisc | null;
  if (parent === TC_H_UNSPEC) {
    if (handle === 0) return nl_err(extack, -EINVAL, 'Handle cannot be zero');
    q = qdisc_lookup(dev, handle);
  } else {
    if (parent !== TC_H_ROOT) {
      p = qdisc_lookup(dev, TC_H_MAJ(parent));
      if (p === null) return nl_err(extack, -ENOENT, 'Failed to find specified qdisc');
      const leaf = qdisc_leaf(p, parent);
      if (typeof leaf === 'number') return leaf;
      q = leaf;
    } else {
      q = dev.qdisc;
    }
    // The default is no obstacle.
    if (q !== null && q.handle === 0) q = null;
    if (q === null || handle === 0 || q.handle !== handle) {
      if (handle !== 0) {
        if (q !== null && (flags & NLM_F_REPLACE) === 0) {
          return nl_err(extack, -EEXIST, 'NLM_F_REPLACE needed to override');
        }
        if (TC_H_MIN(handle) !== 0) return nl_err(extack, -EINVAL, 'Invalid minor handle');
        q = qdisc_lookup(dev, handle);
        if (q === null) return create_and_graft(dev, p, request, flags);
        if ((flags & NLM_F_EXCL) !== 0) return nl_err(extack, -EEXIST, 'Exclusivity flag on, cannot override');
        if (kind !== q.ops.id) return nl_err(extack, -EINVAL, BAD_KIND);
        if (q.parent !== parent) {
          return nl_err(extack, -EINVAL, 'Cannot move an existing qdisc to a different parent');
        }
        if (p !== null && check_loop(q, p)) return nl_err(extack, -ELOOP, 'Qdisc parent/child loop detected');
        q.refcnt++;
        const err = qdisc_graft(dev, p, parent, q, extack);
        if (err !== 0) qdisc_put(q);
        return err;
      }
      if (q === null) return create_and_graft(dev, p, request, flags);
      // Without a handle of its own, of another kind: a new one takes the place, even for add and change. Of the same
      // kind: a change.
      if (kind !== q.ops.id) return create_and_graft(dev, p, request, NLM_F_CREATE);
    }
  }
  if (q === null) return nl_err(extack, -ENOENT, 'Specified qdisc not found');
  if ((flags & NLM_F_EXCL) !== 0) return nl_err(extack, -EEXIST, 'Exclusivity flag on, cannot modify');
  if (kind !== q.ops.id) return nl_err(extack, -EINVAL, BAD_KIND);
  return qdisc_change(q, options ?? null);
}

function create_and_graft(dev: net_device, p: Qdisc | null, request: tc_request, flags: number): number {
  if ((flags & NLM_F_CREATE) === 0) {
    return nl_err(request.extack, -ENOENT, 'Qdisc not found. To create specify NLM_F_CREATE flag');
  }
  const { parent = TC_H_UNSPEC, handle = 0, kind, options, extack } = request;
  const q = qdisc_create(dev, p, parent, handle, kind, options ?? null, extack);
  if (typeof q === 'number') return q;
  const err = qdisc_graft(dev, p, parent, q, extack);
  if (err !== 0) qdisc_put(q);
  return err;
}

/** The transmit queue whose root a new discipline will be run by: under mq the class says which. */
function queue_of(dev: net_device, p: Qdisc | null, parent: number): netdev_queue {
  if (p === null) return dev._tx[0] as netdev_queue;
  if (p.ops.id === 'mq') return dev._tx[TC_H_MIN(parent) - 1] ?? p.dev_queue;
  return p.dev_queue;
}

/** qdisc_alloc_handle: the first that is free from 8001: on; 0 when there is none. */
function qdisc_alloc_handle(dev: net_device): number {
  for (let major = 0x8001; major < 0xffff; major++) {
    const handle = (major << 16) >>> 0;
    if (qdisc_lookup(dev, handle) === null) return handle;
  }
  return 0;
}

/** qdisc_create: a discipline with its options, not yet in its place; or a negative errno. */
function qdisc_create(
  dev: net_device,
  p: Qdisc | null,
  parent: number,
  handle: number,
  kind: string,
  options: qdisc_options | null,
  extack: netlink_ext_ack | undefined,
): Qdisc | number {
  const ops: Qdisc_ops | null = qdisc_lookup_ops(kind);
  if (ops === null) return nl_err(extack, -ENOENT, 'Specified qdisc kind is unknown');
  const q = new Qdisc(ops, queue_of(dev, p, parent));
  q.parent = parent;
  q.parent_sch = p;
  q.handle = handle !== 0 ? handle : qdisc_alloc_handle(dev);
  if (q.handle === 0) return -ENOMEM;
  if (dev._tx.length === 1 && p === null) q.flags |= TCQ_F_ONETXQUEUE;
  const err = ops.init(q, options);
  if (err !== 0) {
    ops.destroy(q);
    return err;
  }
  q.flags &= ~TCQ_F_INVISIBLE;
  dev.qdiscs.push(q);
  return q;
}

/** qdisc_graft: into its place, where `new_` null means the default; what was there goes. 0 or a negative errno. */
function qdisc_graft(
  dev: net_device,
  p: Qdisc | null,
  parent: number,
  new_: Qdisc | null,
  extack: netlink_ext_ack | undefined,
): number {
  if (p !== null) {
    const { cl_ops } = p.ops;
    if (cl_ops === null) return -EOPNOTSUPP;
    const cl = cl_ops.find(p, parent);
    if (cl === 0) return nl_err(extack, -ENOENT, 'Specified class not found');
    if (new_ !== null && new_.ops.id === 'noqueue') return nl_err(extack, -EINVAL, 'Cannot assign noqueue to a class');
    const old = cl_ops.graft(p, cl, new_);
    if (typeof old === 'number') return old;
    if (old !== null) qdisc_put(old);
    return 0;
  }
  const { running } = dev;
  if (running) dev_deactivate(dev);
  const attach = new_?.ops.attach ?? null;
  const root = dev.qdisc;
  if (attach !== null && new_ !== null) {
    dev.qdisc = new_;
    attach(new_);
  } else {
    for (const txq of dev._tx) {
      const old = dev_graft_qdisc(txq, new_);
      if (new_ !== null) new_.refcnt++;
      if (old !== null) qdisc_put(old);
    }
    dev.qdisc = new_;
  }
  if (root !== null) qdisc_put(root);
  if (running) dev_activate(dev);
  return 0;
}

/** Every discipline of a device that `tc qdisc show` shows, parents first. */
export function tc_dump_qdisc(dev: net_device): Qdisc[] {
  const list: Qdisc[] = [];
  const add = (q: Qdisc | null): void => {
    if (q === null || list.includes(q)) return;
    if ((q.flags & (TCQ_F_BUILTIN | TCQ_F_INVISIBLE)) === 0) list.push(q);
    const { cl_ops } = q.ops;
    cl_ops?.walk(q, cl => add(cl_ops.leaf(q, cl)));
  };
  add(dev.qdisc);
  return list;
}
