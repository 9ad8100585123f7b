import { expect, it } from 'vitest';
import { ENOMEM } from '../../../../kernel/errno.ts';
import {
  alloc_skb,
  consume_skb,
  pskb_expand_head,
  type sk_buff,
  skb_cow_head,
} from '../../../../kernel/net/core/skbuff.ts';
import { bench } from '../../host.ts';

it('headroom wanted while allocations fail, -ENOMEM and the skb is as it was', () => {
  const { host, kernel, world } = bench();
  host.exec(() => {
    const skb = alloc_skb(kernel, 100) as sk_buff;
    const { head, data, end } = skb;
    kernel.skbs.fail_alloc = () => true;
    expect(pskb_expand_head(skb, 64, 0)).toBe(-ENOMEM);
    expect(skb_cow_head(skb, 64)).toBe(-ENOMEM);
    expect([skb.head, skb.data, skb.end]).toEqual([head, data, end]);
    kernel.skbs.fail_alloc = null;
    expect(skb_cow_head(skb, 64)).toBe(0);
    consume_skb(skb);
  });
  expect(world.finish()).toEqual([]);
});
