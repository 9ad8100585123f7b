import type { sk_buff } from '../core/skbuff.ts';

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;

/** Does not take the skb. */
export function icmp_send(_skb: sk_buff, _type: number, _code: number, _info: number): void {}

/** icmp_err_convert: by the code of a destination unreachable: errno (positive), and is it fatal? */
export const icmp_err_errno: Int32Array = new Int32Array(16);
export const icmp_err_fatal: Uint8Array = new Uint8Array(16);
