export { COPY_COPYBREAK } from '../copies.ts';
export { skb_record_rx_queue, skb_set_hash } from '../net/core/flow_dissector.ts';
export { SKB_GSO_TCP_ECN, SKB_GSO_TCPV4, skb_gso_transport_seglen_headers } from '../net/core/gso.ts';
export { skb_tx_timestamp } from '../net/core/skb_tstamp.ts';
export {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  netdev_alloc_skb,
  netdev_alloc_skb_ip_align,
  SKB_DROP_REASON,
  type sk_buff,
  skb_headlen,
  skb_put,
  skb_put_data,
} from '../net/core/skbuff.ts';
