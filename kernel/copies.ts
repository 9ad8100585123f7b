/**
 * The places where the kernel copies bytes of packets. Each copy goes through `charge_copy` (kernel/costs.ts) with its
 * place, so that whoever listens to the tracepoint `copy` sees every one of them.
 */

interface CopyPlace {
  readonly name: string;
  /** The Linux function that does it. */
  readonly where: string;
  readonly what: string;
}

export const copy_places = [
  { name: 'user-to-kernel', where: '__ip_append_data, tcp_sendmsg', what: 'what a program sends, into the packet' },
  { name: 'kernel-to-user', where: 'skb_copy_datagram_iter', what: 'the packet, into the buffer of recv' },
  { name: 'copybreak', where: 'the driver’s poll', what: 'a small frame, so that its buffer stays with the ring' },
  { name: 'linearize', where: '__pskb_pull_tail', what: 'fragments, into the linear part' },
  { name: 'unshare', where: 'pskb_expand_head', what: 'the linear part, for more room or to be written to' },
  { name: 'skb-copy', where: 'skb_copy', what: 'a whole packet, for somebody who changes it' },
  { name: 'gso', where: 'skb_segment', what: 'headers and payload, into each segment' },
  { name: 'udp-segment', where: 'udp_rcv_segment', what: 'datagrams that GRO merged, for a socket without UDP_GRO' },
  { name: 'icmp-reply', where: 'icmp_glue_bits', what: 'what an ICMP message quotes or echoes' },
  { name: 'fragment', where: 'ip_do_fragment', what: 'a piece of a datagram that is too long for its way' },
  {
    name: 'append',
    where: '__ip_append_data, tcp_sendmsg',
    what: 'the odd bytes that go from one fragment into the next',
  },
  { name: 'tcp-split', where: 'tcp_fragment', what: 'the shorter part of a segment that is cut in two' },
  {
    name: 'tcp-collapse',
    where: 'tcp_collapse, tcp_try_coalesce, tcp_grow_skb',
    what: 'segments that become one, or grow',
  },
  { name: 'pio-in', where: 'insw, insl', what: 'a frame through the data port, by the CPU' },
  { name: 'pio-out', where: 'outsw, outsl', what: 'a frame through the data port, by the CPU' },
] as const satisfies readonly CopyPlace[];

/** Indices into copy_places. */
export const COPY_FROM_USER = 0;
export const COPY_TO_USER = 1;
export const COPY_COPYBREAK = 2;
export const COPY_LINEARIZE = 3;
export const COPY_UNSHARE = 4;
export const COPY_SKB = 5;
export const COPY_GSO = 6;
export const COPY_UDP_SEGMENT = 7;
export const COPY_ICMP_REPLY = 8;
export const COPY_FRAGMENT = 9;
export const COPY_APPEND = 10;
export const COPY_TCP_SPLIT = 11;
export const COPY_TCP_COLLAPSE = 12;
export const COPY_PIO_IN = 13;
export const COPY_PIO_OUT = 14;
