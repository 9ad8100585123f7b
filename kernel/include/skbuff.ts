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
  NET_IP_ALIGN,
  NET_SKB_PAD,
  napi_alloc_frag,
  napi_build_skb,
  netdev_alloc_skb,
  netdev_alloc_skb_ip_align,
  SIZEOF_SHARED_INFO,
  SKB_DROP_REASON,
  type sk_buff,
  skb_free_frag,
  skb_headlen,
  skb_put,
  skb_put_data,
  skb_reserve,
} from '../net/core/skbuff.ts';
