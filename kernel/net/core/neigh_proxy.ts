/** Neighbours that we answer for in somebody else's place: proxy ARP (net/core/neighbour.c, its pneigh_ functions). */
import { ENOENT } from '../../errno.ts';
import type { neigh_parms } from './neigh_parms.ts';
import type { neigh_table } from './neighbour.ts';
import type { net_device } from './netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from './skbuff.ts';

/** pneigh_lookup: is the address answered for on this device? */
export function pneigh_lookup(tbl: neigh_table, key: number, dev: net_device): boolean {
  const list = tbl.phash_buckets.get(key);
  return list !== undefined && (list.includes(dev) || list.includes(null));
}

/** pneigh_create (`ip neigh add proxy`): on one device, or with null on all. */
export function pneigh_add(tbl: neigh_table, key: number, dev: net_device | null): void {
  const list = tbl.phash_buckets.get(key);
  if (list === undefined) tbl.phash_buckets.set(key, [dev]);
  else if (!list.includes(dev)) list.push(dev);
}

/** pneigh_delete: 0 or -ENOENT. */
export function pneigh_delete(tbl: neigh_table, key: number, dev: net_device | null): number {
  const list = tbl.phash_buckets.get(key);
  const at = list?.indexOf(dev) ?? -1;
  if (list === undefined || at < 0) return -ENOENT;
  list.splice(at, 1);
  if (list.length === 0) tbl.phash_buckets.delete(key);
  return 0;
}

/** pneigh_ifdown_and_unlock: what is answered for on a device goes with it. */
export function pneigh_ifdown(tbl: neigh_table, dev: net_device): void {
  for (const key of [...tbl.phash_buckets.keys()]) pneigh_delete(tbl, key, dev);
  const { proxy_queue } = tbl;
  for (let left = proxy_queue.qlen; left > 0; left--) {
    const skb = proxy_queue.shift() as sk_buff;
    if (skb.dev !== dev) proxy_queue.push(skb);
    else kfree_skb_reason(skb, SKB_DROP_REASON.QUEUE_PURGE);
  }
  if (proxy_queue.qlen === 0) tbl.proxy_timer.del();
}

/** In the control block of a question that waits: the jiffy of its answer, and that it has waited. */
export const LOCALLY_ENQUEUED = 1;

/**
 * pneigh_enqueue: a question that we answer for somebody else waits a random while, so that whoever is asked can
 * answer first. Takes the skb.
 */
export function pneigh_enqueue(tbl: neigh_table, parms: neigh_parms, skb: sk_buff): void {
  if (parms.qlen > parms.proxy_qlen) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_QUEUEFULL);
    return;
  }
  const at = tbl.jiffies() + (parms.proxy_delay === 0 ? 0 : tbl.random.u32() % parms.proxy_delay);
  skb.cb0 = at;
  skb.cb1 = LOCALLY_ENQUEUED;
  skb.dst = null;
  parms.qlen++;
  tbl.proxy_queue.push(skb);
  if (!tbl.proxy_timer.pending() || tbl.proxy_timer.expires > at) tbl.proxy_timer.mod(at);
}

/** neigh_proxy_process: the answers whose time has come. */
export function neigh_proxy_process(tbl: neigh_table): void {
  const now = tbl.jiffies();
  const { proxy_queue } = tbl;
  let next = Number.POSITIVE_INFINITY;
  for (let left = proxy_queue.qlen; left > 0; left--) {
    const skb = proxy_queue.shift() as sk_buff;
    if (skb.cb0 > now) {
      next = Math.min(next, skb.cb0);
      proxy_queue.push(skb);
      continue;
    }
    const dev = skb.dev as net_device;
    const parms = dev.ip_ptr?.arp_parms;
    if (parms !== undefined) parms.qlen--;
    if (tbl.ops.proxy_redo !== undefined && dev.running) tbl.ops.proxy_redo(skb);
    else kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
  }
  if (next !== Number.POSITIVE_INFINITY) tbl.proxy_timer.mod(next);
}
