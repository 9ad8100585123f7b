/**
 * Where in the out-of-order queue? Linux keeps that queue as a red-black tree (net/ipv4/tcp_input.c: tp->out_of_order_queue);
 * here the same packets hang in a list, by their start, and in a splay tree (Sleator and Tarjan, 1985, top-down) over it:
 * whatever the order a peer chooses, `n` packets cost n log n steps, and the usual ones, at either end, one or two each. It needs
 * two words of a packet, those of tcp_tsorted_anchor, which only what was sent uses otherwise:
 *
 *     tsorted_prev   the subtree of those that begin earlier
 *     tsorted_next   the subtree of those that begin later
 *
 * No two packets of the queue begin at the same byte. Without any, ooo_root means nothing.
 */
import type { sk_buff } from '../core/skbuff.ts';
import { before } from './tcp_sock.ts';
import type { tcp_slow } from './tcp_sock_slow.ts';

/** The tree with `seq`'s packet at its root, or else with one of the two that would be its neighbours. */
function splay(tree: sk_buff, seq: number): sk_buff {
  let root = tree;
  // What lies before `seq` on the way down, and what lies behind it: each with the place where more is to hang.
  let low: sk_buff | null = null;
  let low_end: sk_buff | null = null;
  let high: sk_buff | null = null;
  let high_end: sk_buff | null = null;
  for (;;) {
    if (before(seq, root.seq)) {
      let child = root.tsorted_prev;
      if (child === null) break;
      if (before(seq, child.seq)) {
        root.tsorted_prev = child.tsorted_next;
        child.tsorted_next = root;
        root = child;
        child = root.tsorted_prev;
        if (child === null) break;
      }
      if (high_end === null) high = root;
      else high_end.tsorted_prev = root;
      high_end = root;
      root = child;
    } else if (before(root.seq, seq)) {
      let child = root.tsorted_next;
      if (child === null) break;
      if (before(child.seq, seq)) {
        root.tsorted_next = child.tsorted_prev;
        child.tsorted_prev = root;
        root = child;
        child = root.tsorted_next;
        if (child === null) break;
      }
      if (low_end === null) low = root;
      else low_end.tsorted_next = root;
      low_end = root;
      root = child;
    } else {
      break;
    }
  }
  if (low_end !== null) {
    low_end.tsorted_next = root.tsorted_prev;
    root.tsorted_prev = low;
  }
  if (high_end !== null) {
    high_end.tsorted_prev = root.tsorted_next;
    root.tsorted_next = high;
  }
  return root;
}

/** The last packet that begins at `seq` or before it; null: all begin later. */
export function tcp_ofo_find(slow: tcp_slow, seq: number): sk_buff | null {
  if (slow.out_of_order_queue.first === null) return null;
  const root = splay(slow.ooo_root as sk_buff, seq);
  slow.ooo_root = root;
  return before(seq, root.seq) ? root.prev : root;
}

/** A packet behind `place`, as tcp_ofo_find has it; nothing there begins at the same byte. */
export function tcp_ofo_link(slow: tcp_slow, place: sk_buff | null, skb: sk_buff): void {
  const queue = slow.out_of_order_queue;
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
  if (queue.first !== null) {
    const root = splay(slow.ooo_root as sk_buff, skb.seq);
    if (before(skb.seq, root.seq)) {
      skb.tsorted_prev = root.tsorted_prev;
      skb.tsorted_next = root;
      root.tsorted_prev = null;
    } else {
      skb.tsorted_next = root.tsorted_next;
      skb.tsorted_prev = root;
      root.tsorted_next = null;
    }
  }
  slow.ooo_root = skb;
  if (place === null) queue.unshift(skb);
  else queue.insert_after(place, skb);
}

/** A packet leaves the queue. */
export function tcp_ofo_unlink(slow: tcp_slow, skb: sk_buff): void {
  const { tsorted_prev: low, tsorted_next: high } = splay(slow.ooo_root as sk_buff, skb.seq);
  if (low === null) {
    slow.ooo_root = high;
  } else {
    // Its last one comes to the top, and has nothing behind it.
    const root = splay(low, skb.seq);
    root.tsorted_next = high;
    slow.ooo_root = root;
  }
  slow.out_of_order_queue.unlink(skb);
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
}

/** The tree anew, over what the list holds now. */
export function tcp_ofo_rebuild(slow: tcp_slow): void {
  let root: sk_buff | null = null;
  for (let skb = slow.out_of_order_queue.first; skb !== null; skb = skb.next) {
    skb.tsorted_prev = root;
    skb.tsorted_next = null;
    root = skb;
  }
  slow.ooo_root = root;
}
