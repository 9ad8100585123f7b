import { describe, expect, it } from 'vitest';
import {
  fib_get_table,
  fib_lookup,
  fib_result,
  flowi4,
  ip_route_add,
  ip_route_del,
  RT_TABLE_MAIN,
} from '../../../../kernel/net/ipv4/fib.ts';
import { trie_check, trie_depth } from '../../../../kernel/net/ipv4/fib_trie_walk.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { A, Segment } from '../segment.ts';
import { compareWithModel } from './fib_model.ts';

describe('fib_trie', () => {
  it('20,000 random changes and lookups: as a list searched from end to end; its nodes stay in order', () => {
    const counts = compareWithModel(1, 20_000);
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(4000);
  });

  it('a few routes, another set each time: after each change the nodes say rightly what is below them', () => {
    for (let seed = 100; seed < 160; seed++) compareWithModel(seed, 100);
  });

  it('100,000 routes: a few levels deep, one next hop shared by all; deleted: nothing is left', () => {
    const segment = new Segment();
    const { net } = segment;
    const { trie } = fib_get_table(net, RT_TABLE_MAIN) as NonNullable<ReturnType<typeof fib_get_table>>;
    const infos = net.ipv4.fib.infos.length;
    const dst = (i: number): number => (20 << 24) + i * 256;
    let errors = 0;
    for (let i = 0; i < 100_000; i++) errors |= ip_route_add(net, { dst: dst(i), prefix_len: 24, gateway: A });
    expect(errors).toBe(0);
    expect(net.ipv4.fib.infos.length).toBe(infos + 1);
    expect(trie_depth(trie)).toBeLessThan(8);
    const res = new fib_result();
    const fl = new flowi4();
    for (let i = 0; i < 100_000; i += 977) {
      expect(fib_lookup(net, fl.init(dst(i) + 7, 0), res)).toBe(0);
      expect([res.prefix, res.prefixlen]).toEqual([dst(i), 24]);
    }
    for (let i = 0; i < 100_000; i++) ip_route_del(net, { dst: dst(i), prefix_len: 24 });
    expect(trie.leaves).toBeLessThan(10);
    expect(trie_check(trie)).toEqual([]);
    segment.finish();
  });

  it('a prefix and longer ones within it: the longest that holds the address, and back to the shorter ones', () => {
    const segment = new Segment();
    const { net } = segment;
    const lengths = [0, 1, 8, 9, 15, 16, 23, 24, 25, 31, 32];
    const inside = in_aton('10.255.128.129');
    for (const prefix_len of lengths) {
      const mask = prefix_len === 0 ? 0 : -1 << (32 - prefix_len);
      expect(ip_route_add(net, { dst: inside & mask, prefix_len, gateway: A })).toBe(0);
    }
    const res = new fib_result();
    const fl = new flowi4();
    const length = (addr: number): number => (fib_lookup(net, fl.init(addr, 0), res) === 0 ? res.prefixlen : -1);
    for (let bit = 0; bit < 32; bit++) {
      // The address with one bit turned: what holds of its prefixes ends there.
      expect([bit, length(inside ^ (1 << bit))]).toEqual([bit, Math.max(...lengths.filter(len => len <= 31 - bit))]);
    }
    expect(length(inside)).toBe(32);
    segment.finish();
  });
});
