/** SO_REUSEPORT: sockets that share an address and divide what comes between them (net/core/sock_reuseport.c). */
import { reciprocal_scale } from '../../lib/hash.ts';
import type { sock } from './sock.ts';

export class sock_reuseport {
  readonly socks: sock[] = [];
  /** A member is connected: it must be found by its score, before the others share. */
  has_conns = false;
}

export function reuseport_group(sk: sock): sock_reuseport | null {
  return sk.sk_reuseport_cb as sock_reuseport | null;
}

/** reuseport_alloc: a group of its own. */
export function reuseport_alloc(sk: sock): void {
  if (sk.sk_reuseport_cb !== null) return;
  const group = new sock_reuseport();
  group.socks.push(sk);
  sk.sk_reuseport_cb = group;
}

/** reuseport_add_sock: into the group of `sk2`. */
export function reuseport_add_sock(sk: sock, sk2: sock): void {
  reuseport_alloc(sk2);
  const group = reuseport_group(sk2) as sock_reuseport;
  if (!group.socks.includes(sk)) group.socks.push(sk);
  sk.sk_reuseport_cb = group;
}

/** reuseport_detach_sock */
export function reuseport_detach_sock(sk: sock): void {
  const group = reuseport_group(sk);
  if (group === null) return;
  sk.sk_reuseport_cb = null;
  // Linux moves the last member into the gap: the order decides who gets which hash.
  const index = group.socks.indexOf(sk);
  const last = group.socks.pop() as sock;
  if (last !== sk) group.socks[index] = last;
}

/** reuseport_select_sock: the member for a packet's hash; connected ones are passed over. Null: none. */
export function reuseport_select_sock(group: sock_reuseport, hash: number, established: number): sock | null {
  const { socks } = group;
  const first = reciprocal_scale(hash, socks.length);
  for (let i = 0; i < socks.length; i++) {
    const sk = socks[(first + i) % socks.length] as sock;
    if (sk.sk_state !== established) return sk;
  }
  return null;
}
