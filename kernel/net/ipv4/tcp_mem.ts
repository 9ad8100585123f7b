/**
 * The memory of TCP's queues (net/core/sock.c: __sk_mem_schedule; include/net/sock.h). Each sock is granted whole pages
 * out of net.ipv4.tcp_mem and uses them up by truesize (sk_forward_alloc); past the limits buffers shrink, then fail.
 */
import { net_zcopy_put } from '../core/msg_zerocopy.ts';
import { consume_skb, type sk_buff } from '../core/skbuff.ts';
import { SOCK_MIN_SNDBUF, SOCK_SNDBUF_LOCK, sk_free_wmem } from '../core/sock.ts';
import { TSQ_THROTTLED, type tcp_sock } from './tcp_sock.ts';
import { tcp_queue_tsq } from './tcp_tsq.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;

/** tcp_under_memory_pressure */
export function tcp_under_memory_pressure(sk: tcp_sock): boolean {
  return sk.sk_net.ipv4.tcp_memory_pressure;
}

function enter_memory_pressure(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (ipv4.tcp_memory_pressure) return;
  ipv4.tcp_memory_pressure = true;
  ipv4.mib.TcpExtTCPMemoryPressures++;
}

/** sk_stream_moderate_sndbuf: a sender in trouble gets a smaller send buffer. */
export function sk_stream_moderate_sndbuf(sk: tcp_sock): void {
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) !== 0) return;
  sk.sk_sndbuf = Math.max(Math.min(sk.sk_sndbuf, sk.sk_wmem_queued >> 1), SOCK_MIN_SNDBUF);
}

/** __sk_mem_schedule: pages for `size` more bytes. False: there are none, and the sock has its share. */
function __sk_mem_schedule(sk: tcp_sock, size: number, send: boolean): boolean {
  const { ipv4 } = sk.sk_net;
  const { tcp_mem: mem } = ipv4;
  const pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  sk.sk_forward_alloc += pages * PAGE_SIZE;
  ipv4.tcp_memory_allocated += pages;
  const allocated = ipv4.tcp_memory_allocated;
  if (allocated <= (mem[0] as number)) {
    ipv4.tcp_memory_pressure = false;
    return true;
  }
  if (allocated > (mem[1] as number)) enter_memory_pressure(sk);
  const hard = allocated > (mem[2] as number);
  if (!hard) {
    // What every sock may have in any case.
    if (send ? sk.sk_wmem_queued < (ipv4.tcp_wmem[0] as number) : sk.sk_rmem_alloc < (ipv4.tcp_rmem[0] as number)) {
      return true;
    }
    if (!ipv4.tcp_memory_pressure) return true;
    const mine = (sk.sk_wmem_queued + sk.sk_rmem_alloc + sk.sk_forward_alloc + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if ((mem[2] as number) > ipv4.tcp_sockets_allocated * mine) return true;
  }
  if (send) {
    sk_stream_moderate_sndbuf(sk);
    // A sender over its limit waits; one under it cannot, and has to fail.
    if (sk.sk_wmem_queued + size >= sk.sk_sndbuf) return true;
  }
  sk.sk_forward_alloc -= pages * PAGE_SIZE;
  ipv4.tcp_memory_allocated -= pages;
  return false;
}

/** sk_rmem_schedule: may a received packet of this truesize be queued? */
export function sk_rmem_schedule(sk: tcp_sock, size: number): boolean {
  return size <= sk.sk_forward_alloc || __sk_mem_schedule(sk, size - sk.sk_forward_alloc, false);
}

/** sk_wmem_schedule: may so many bytes go to the write queue? */
export function sk_wmem_schedule(sk: tcp_sock, size: number): boolean {
  return size <= sk.sk_forward_alloc || __sk_mem_schedule(sk, size - sk.sk_forward_alloc, true);
}

/**
 * tcp_wmem_schedule: how many of `copy` bytes may go to the write queue. When there is no memory left, a sock may have
 * tcp_wmem's least all the same, lest it stand still.
 */
export function tcp_wmem_schedule(sk: tcp_sock, copy: number): number {
  if (sk_wmem_schedule(sk, copy)) return copy;
  const left = (sk.sk_net.ipv4.tcp_wmem[0] as number) - sk.sk_wmem_queued;
  if (left > 0) sk_forced_mem_schedule(sk, Math.min(left, copy));
  return Math.min(copy, Math.max(0, sk.sk_forward_alloc));
}

/** sk_forced_mem_schedule: for what must go through: a SYN, a FIN, the part that is cut off a packet. */
export function sk_forced_mem_schedule(sk: tcp_sock, size: number): void {
  if (size <= sk.sk_forward_alloc) return;
  const pages = (size - sk.sk_forward_alloc + PAGE_SIZE - 1) >> PAGE_SHIFT;
  sk.sk_forward_alloc += pages * PAGE_SIZE;
  sk.sk_net.ipv4.tcp_memory_allocated += pages;
}

export function sk_mem_charge(sk: tcp_sock, size: number): void {
  sk.sk_forward_alloc -= size;
}

/** sk_mem_uncharge: whole pages go back to all. */
export function sk_mem_uncharge(sk: tcp_sock, size: number): void {
  sk.sk_forward_alloc += size;
  if (sk.sk_forward_alloc >= PAGE_SIZE) sk_mem_reclaim(sk);
}

/** sk_mem_reclaim */
export function sk_mem_reclaim(sk: tcp_sock): void {
  const pages = sk.sk_forward_alloc >> PAGE_SHIFT;
  if (pages <= 0) return;
  const { ipv4 } = sk.sk_net;
  sk.sk_forward_alloc -= pages * PAGE_SIZE;
  ipv4.tcp_memory_allocated -= pages;
  if (ipv4.tcp_memory_pressure && ipv4.tcp_memory_allocated < (ipv4.tcp_mem[0] as number)) {
    ipv4.tcp_memory_pressure = false;
  }
}

/** skb_set_owner_r for TCP: the packet counts against the receive buffer, and its pages. */
export function tcp_set_owner_r(skb: sk_buff, sk: tcp_sock): void {
  skb.sk = sk;
  skb.destructor = tcp_rfree;
  sk.sk_rmem_alloc += skb.truesize;
  sk_mem_charge(sk, skb.truesize);
}

/** sock_rfree for TCP. */
export function tcp_rfree(skb: sk_buff): void {
  const sk = skb.sk as tcp_sock;
  sk.sk_rmem_alloc -= skb.truesize;
  sk_mem_uncharge(sk, skb.truesize);
}

/** sk_wmem_queued_add */
export function sk_wmem_queued_add(sk: tcp_sock, size: number): void {
  sk.sk_wmem_queued += size;
}

/** tcp_wmem_free_skb: a packet of the write queue has done its duty. Takes the skb, which hangs in no queue. */
export function tcp_wmem_free_skb(sk: tcp_sock, skb: sk_buff): void {
  sk.sk_wmem_queued -= skb.truesize;
  sk_mem_uncharge(sk, skb.truesize);
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
  const { ubuf } = skb;
  skb.ubuf = null;
  consume_skb(skb);
  if (ubuf !== null) net_zcopy_put(ubuf);
}

/** tcp_wfree: the destructor of a clone on its way out. A sender that held back for it goes on (TCP small queues). */
export function tcp_wfree(skb: sk_buff): void {
  const sk = skb.sk as tcp_sock;
  sk_free_wmem(sk, skb.truesize);
  if ((sk.tsq_flags & TSQ_THROTTLED) !== 0) tcp_queue_tsq(sk);
}
