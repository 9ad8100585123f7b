/** Why a packet was dropped, by Linux's names (include/net/dropreason-core.h) without their common prefix. */
const REASONS = [
  'NOT_DROPPED_YET',
  'CONSUMED',
  'NOT_SPECIFIED',
  'NO_SOCKET',
  'SOCKET_CLOSE',
  'SOCKET_FILTER',
  'SOCKET_RCVBUFF',
  'UNIX_DISCONNECT',
  'PKT_TOO_SMALL',
  'TCP_CSUM',
  'UDP_CSUM',
  'NETFILTER_DROP',
  'OTHERHOST',
  'IP_CSUM',
  'IP_INHDR',
  'IP_RPFILTER',
  'UNICAST_IN_L2_MULTICAST',
  'XFRM_POLICY',
  'IP_NOPROTO',
  'PROTO_MEM',
  'IP_OUTNOROUTES',
  'NEIGH_CREATEFAIL',
  'NEIGH_FAILED',
  'NEIGH_QUEUEFULL',
  'NEIGH_DEAD',
  'NEIGH_HH_FILLFAIL',
  'TC_EGRESS',
  'SECURITY_HOOK',
  'QDISC_DROP',
  'QDISC_OVERLIMIT',
  'QDISC_CONGESTED',
  'CPU_BACKLOG',
  'XDP',
  'TC_INGRESS',
  'UNHANDLED_PROTO',
  'SKB_CSUM',
  'SKB_GSO_SEG',
  'SKB_UCOPY_FAULT',
  'DEV_HDR',
  'DEV_READY',
  'FULL_RING',
  'NOMEM',
  'HDR_TRUNC',
  'TAP_FILTER',
  'TAP_TXFILTER',
  'ICMP_CSUM',
  'INVALID_PROTO',
  'IP_INADDRERRORS',
  'IP_INNOROUTES',
  'IP_LOCAL_SOURCE',
  'IP_INVALID_SOURCE',
  'IP_INVALID_DEST',
  'IP_LOCALNET',
  'PKT_TOO_BIG',
  'DUP_FRAG',
  'FRAG_REASM_TIMEOUT',
  'FRAG_TOO_FAR',
  'ARP_PVLAN_DISABLE',
  'MAC_INVALID_SOURCE',
  'LOCAL_MAC',
  'PACKET_SOCK_ERROR',
  'DEV_UNREGISTERED',
  'QUEUE_PURGE',
] as const;

type ReasonName = (typeof REASONS)[number];

export const SKB_DROP_REASON = Object.freeze(
  Object.fromEntries(REASONS.map((name, value) => [name, value])) as { readonly [N in ReasonName]: number },
);
export const SKB_CONSUMED = SKB_DROP_REASON.CONSUMED;
export const NR_DROP_REASONS = REASONS.length;

/** The reason's name as Linux's tracepoint prints it, without the prefix SKB_DROP_REASON_. */
export function drop_reason_name(reason: number): string {
  return REASONS[reason] ?? `reason ${reason}`;
}
