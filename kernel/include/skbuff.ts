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
  skb_put,
  skb_put_data,
} from '../net/core/skbuff.ts';
