/** Explicit congestion notification in the IP header (RFC 3168, include/net/inet_ecn.h). */
import { csum_fold } from '../../lib/checksum.ts';
import { type sk_buff, skb_cloned, skb_cow_head, skb_headroom } from './skbuff.ts';

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const INET_ECN_MASK = 3;
const INET_ECN_CE = 3;

/** INET_ECN_set_ce: marks the packet instead of dropping it; false when its sender cannot be told that way. */
export function INET_ECN_set_ce(skb: sk_buff): boolean {
  const at = skb.network_header;
  const ip4 = skb.protocol === ETH_P_IP;
  if ((!ip4 && skb.protocol !== ETH_P_IPV6) || at === 0 || at + (ip4 ? 20 : 40) > skb.tail) return false;
  const { u8 } = skb.ram;
  // The traffic class of IPv6 lies across the first two bytes.
  const ecn = (ip4 ? (u8[at + 1] as number) : (u8[at + 1] as number) >> 4) & INET_ECN_MASK;
  if (ecn === 0) return false;
  if (ecn === INET_ECN_CE) return true;
  if (skb_cloned(skb) && skb_cow_head(skb, skb_headroom(skb)) !== 0) return false;
  const ip = skb.network_header;
  if (!ip4) {
    u8[ip + 1] = (u8[ip + 1] as number) | (INET_ECN_CE << 4);
    return true;
  }
  // RFC 1624: the header's sum changes as the word does.
  const word = ip;
  const before = (u8[word] as number) | ((u8[word + 1] as number) << 8);
  u8[ip + 1] = (u8[ip + 1] as number) | INET_ECN_CE;
  const now = (u8[word] as number) | ((u8[word + 1] as number) << 8);
  const check = (u8[ip + 10] as number) | ((u8[ip + 11] as number) << 8);
  const sum = csum_fold((~check & 0xffff) + (~before & 0xffff) + now);
  u8[ip + 10] = sum & 0xff;
  u8[ip + 11] = sum >> 8;
  return true;
}
