/** Challenge ACKs and the limits of what is answered out of window (RFC 5961, net/ipv4/tcp_input.c). */

import { reciprocal_scale } from '../../lib/hash.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { tcp_send_ack_reflect_ect } from './tcp_output.ts';
import { own_slow, TCPHDR_SYN, tcp_flag_byte, tcp_jiffies, type tcp_sock } from './tcp_sock.ts';

const NO_LIMIT = 0x7fffffff;

/** __tcp_oow_rate_limited: true when the last such ACK of the connection was less than tcp_invalid_ratelimit ago. */
function __tcp_oow_rate_limited(sk: tcp_sock): boolean {
  const now = tcp_jiffies(sk.kernel);
  const last = sk.slow.last_oow_ack_time;
  if (last !== 0) {
    const elapsed = now - last;
    if (elapsed >= 0 && elapsed < sk.sk_net.ipv4.tcp_invalid_ratelimit) return true;
  }
  own_slow(sk).last_oow_ack_time = now;
  return false;
}

/** tcp_oow_rate_limited: data is never part of a loop of ACKs, so it is always answered. */
export function tcp_oow_rate_limited(sk: tcp_sock, skb: sk_buff): boolean {
  if (skb.seq !== skb.end_seq && (tcp_flag_byte(skb) & TCPHDR_SYN) === 0) return false;
  return __tcp_oow_rate_limited(sk);
}

/**
 * tcp_send_challenge_ack: what came may be forged; who is there will answer this ACK as it must. `accecn_reflector`: it was a
 * SYN/ACK of a connection with accurate ECN.
 */
export function tcp_send_challenge_ack(sk: tcp_sock, accecn_reflector = false): void {
  const { ipv4 } = sk.sk_net;
  const { mib } = ipv4;
  if (__tcp_oow_rate_limited(sk)) {
    mib.TcpExtTCPACKSkippedChallenge++;
    return;
  }
  const limit = ipv4.tcp_challenge_ack_limit;
  if (limit !== NO_LIMIT) {
    // For the whole host, from a number that nobody can guess, as counting them tells of other connections.
    const second = Math.floor(tcp_jiffies(sk.kernel) / 1000);
    if (second !== ipv4.tcp_challenge_timestamp) {
      const half = (limit + 1) >> 1;
      ipv4.tcp_challenge_timestamp = second;
      ipv4.tcp_challenge_count = half + reciprocal_scale(ipv4.tcp_random.u32(), limit);
    }
    if (ipv4.tcp_challenge_count <= 0) return;
    ipv4.tcp_challenge_count--;
  }
  mib.TcpExtTCPChallengeACK++;
  tcp_send_ack_reflect_ect(sk, accecn_reflector);
}
