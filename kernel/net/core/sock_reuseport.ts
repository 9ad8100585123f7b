/** SO_REUSEPORT: sockets that share an address and divide what comes between them (net/core/sock_reuseport.c). */
import { EFAULT, EINVAL, ENOENT } from '../../errno.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import { type bpf_prog, bpf_prog_create, bpf_prog_run, type sock_filter } from './filter.ts';
import type { sk_buff } from './skbuff.ts';
import type { sock } from './sock.ts';

export class sock_reuseport {
  readonly socks: sock[] = [];
  /** A member is connected: it must be found by its score, before the others share. */
  has_conns = false;
  /** Members with SO_INCOMING_CPU. */
  incoming_cpu = 0;
  /** SO_ATTACH_REUSEPORT_CBPF: says which member is to have a packet. */
  prog: bpf_prog | null = null;
}

export function reuseport_group(sk: sock): sock_reuseport | null {
  return sk.sk_reuseport_cb as sock_reuseport | null;
}

function join(group: sock_reuseport, sk: sock): void {
  if (group.socks.includes(sk)) return;
  group.socks.push(sk);
  if (sk.sk_incoming_cpu >= 0) group.incoming_cpu++;
}

/** reuseport_alloc: a group of its own. */
export function reuseport_alloc(sk: sock): void {
  if (sk.sk_reuseport_cb !== null) return;
  const group = new sock_reuseport();
  join(group, sk);
  sk.sk_reuseport_cb = group;
}

/** reuseport_add_sock: into the group of `sk2`, out of one that it made for its program. */
export function reuseport_add_sock(sk: sock, sk2: sock): void {
  reuseport_alloc(sk2);
  const group = reuseport_group(sk2) as sock_reuseport;
  join(group, sk);
  sk.sk_reuseport_cb = group;
}

/** reuseport_detach_sock */
export function reuseport_detach_sock(sk: sock): void {
  const group = reuseport_group(sk);
  if (group === null) return;
  sk.sk_reuseport_cb = null;
  if (sk.sk_incoming_cpu >= 0) group.incoming_cpu--;
  // Linux moves the last member into the gap: the order decides who gets which hash.
  const index = group.socks.indexOf(sk);
  const last = group.socks.pop() as sock;
  if (last !== sk) group.socks[index] = last;
}

/** reuseport_update_incoming_cpu: sets SO_INCOMING_CPU. */
export function reuseport_update_incoming_cpu(sk: sock, cpu: number): void {
  const group = reuseport_group(sk);
  if (group !== null) group.incoming_cpu += Number(cpu >= 0) - Number(sk.sk_incoming_cpu >= 0);
  sk.sk_incoming_cpu = cpu;
}

/**
 * reuseport_select_sock: the member for a packet: as the group's program says, or by the hash; connected ones are
 * passed over. `hdr_len` bytes of `skb` are the transport header, which the program does not see. Null: none.
 */
export function reuseport_select_sock(
  group: sock_reuseport,
  hash: number,
  established: number,
  skb: sk_buff | null = null,
  hdr_len = 0,
): sock | null {
  const { socks, prog } = group;
  if (prog !== null && skb !== null) {
    const chosen = run_bpf_filter(prog, skb, hdr_len);
    if (chosen < socks.length) return socks[chosen] as sock;
  }
  const first = reciprocal_scale(hash, socks.length);
  let valid: sock | null = null;
  for (let i = 0; i < socks.length; i++) {
    const at = first + i;
    const sk = socks[at < socks.length ? at : at - socks.length] as sock;
    if (sk.sk_state === established) continue;
    // Among members that have a CPU of their own, this CPU's comes first.
    if (group.incoming_cpu === 0 || sk.sk_incoming_cpu === sk.kernel.cpu.id) return sk;
    if (valid === null) valid = sk;
  }
  return valid;
}

/** run_bpf_filter: the program's answer over the payload, unsigned; more than there are members: no answer. */
function run_bpf_filter(prog: bpf_prog, skb: sk_buff, hdr_len: number): number {
  if (skb.len - skb.data_len < hdr_len) return 0xffffffff;
  skb.data += hdr_len;
  skb.len -= hdr_len;
  const chosen = bpf_prog_run(prog, skb) >>> 0;
  skb.data -= hdr_len;
  skb.len += hdr_len;
  return chosen;
}

/** reuseport_attach_prog for SO_ATTACH_REUSEPORT_CBPF: -EINVAL when the socket shares no address. */
export function reuseport_attach_prog(sk: sock, filter: readonly sock_filter[] | null): number {
  if (filter === null) return -EFAULT;
  const prog = bpf_prog_create(filter);
  if (typeof prog === 'number') return prog;
  if (reuseport_group(sk) === null) {
    if (sk.sk_hashed || !sk.sk_reuseport) return -EINVAL;
    reuseport_alloc(sk);
  }
  (reuseport_group(sk) as sock_reuseport).prog = prog;
  return 0;
}

/** reuseport_detach_prog: -ENOENT without a program, -EINVAL without a group that could have one. */
export function reuseport_detach_prog(sk: sock): number {
  const group = reuseport_group(sk);
  if (group === null) return sk.sk_reuseport ? -ENOENT : -EINVAL;
  if (group.prog === null) return -ENOENT;
  group.prog = null;
  return 0;
}
