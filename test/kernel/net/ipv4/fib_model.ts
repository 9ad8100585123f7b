/** Random routes in a table and in a list that is searched from end to end: they must agree. */
import { expect } from 'vitest';
import { EAGAIN, EEXIST, ESRCH } from '../../../../kernel/errno.ts';
import {
  type fib_config,
  fib_get_table,
  fib_new_table,
  fib_result,
  flowi4,
  ip_route_add,
  ip_route_del,
  RTN_BLACKHOLE,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../../../../kernel/net/ipv4/fib.ts';
import { trie_check, trie_dump } from '../../../../kernel/net/ipv4/fib_trie_walk.ts';
import { inet_make_mask, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import { Segment } from '../segment.ts';

const TABLE = 77;
const TYPES = [RTN_UNICAST, RTN_UNICAST, RTN_UNICAST, RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_THROW];
const ERRORS = new Map([
  [RTN_UNICAST, 0],
  [RTN_UNREACHABLE, -113],
  [RTN_BLACKHOLE, -22],
  [RTN_THROW, -EAGAIN],
]);

interface Entry extends fib_config {
  type: number;
  tos: number;
  metric: number;
}

/** A generator of its own (mulberry32): the same for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** `operations` random changes and lookups; returns how many of each there were. */
export function compareWithModel(seed: number, operations: number): { adds: number; dels: number; lookups: number } {
  const segment = new Segment({ address: null });
  const { net, dev } = segment;
  const roll = dice(seed);
  const model = new Map<string, Entry>();
  const keys: string[] = [];
  const counts = { adds: 0, dels: 0, lookups: 0 };
  const res = new fib_result();
  const fl = new flowi4();
  fib_new_table(net, TABLE);
  const table = fib_get_table(net, TABLE) as NonNullable<ReturnType<typeof fib_get_table>>;

  // Addresses crowd together in some places and are thin in others.
  const somewhere = (): number => {
    const wide = (roll(65536) << 16) | roll(65536);
    switch (roll(4)) {
      case 0:
        return wide;
      case 1:
        return (10 << 24) | (wide & 0xffff);
      case 2:
        return (192 << 24) | (168 << 16) | (wide & 0x3ff);
      default:
        return (wide & 0xff000000) | (1 << 16);
    }
  };

  for (let i = 0; i < operations; i++) {
    const what = roll(10);
    if (what < 4 || (what < 7 && keys.length === 0)) {
      const prefix_len = [0, 8, 16, 20, 24, 24, 28, 30, 32, 32, roll(33)][roll(11)] as number;
      const dst = somewhere() & inet_make_mask(prefix_len);
      const tos = roll(8) === 0 ? 0x10 : 0;
      const metric = roll(4) === 0 ? 1 + roll(3) : 0;
      const key = `${inet_ntoa(dst)}/${prefix_len} ${tos} ${metric}`;
      const type = TYPES[roll(TYPES.length)] as number;
      const entry: Entry = { dst, prefix_len, tos, metric, type, table: TABLE };
      const err = ip_route_add(net, type === RTN_UNICAST ? { ...entry, dev } : entry);
      expect([key, err]).toEqual([key, model.has(key) ? -EEXIST : 0]);
      if (err === 0) {
        model.set(key, entry);
        keys.push(key);
      }
      counts.adds++;
    } else if (what < 7) {
      const at = roll(keys.length);
      const key = keys[at] as string;
      const entry = model.get(key) as Entry;
      const { dst, prefix_len, tos, metric } = entry;
      // A deletion without a metric takes the best: named ones only.
      const config = { dst, prefix_len, tos, table: TABLE, ...(metric === 0 ? { type: entry.type } : { metric }) };
      const expected =
        metric === 0 && [...model.values()].some(other => better(other, entry) && other.type === entry.type);
      const err = ip_route_del(net, config);
      expect([key, err]).toEqual([key, expected ? err : 0]);
      keys[at] = keys.at(-1) as string;
      keys.pop();
      model.delete(key);
      expect(ip_route_del(net, { dst, prefix_len, tos, table: TABLE, metric: 99 })).toBe(-ESRCH);
      counts.dels++;
    } else {
      const known = roll(2) === 0 && keys.length > 0 ? (model.get(keys[roll(keys.length)] as string) as Entry) : null;
      const addr = known === null ? somewhere() : known.dst | (somewhere() & ~inet_make_mask(known.prefix_len));
      fl.init(addr, 0);
      fl.tos = roll(2) === 0 ? 0x10 : 0;
      const best = lookup(model, addr, fl.tos);
      const err = table.trie.lookup(table, fl, res, 0);
      const question = `${inet_ntoa(addr)} tos ${fl.tos}`;
      if (best === null) expect([question, err]).toEqual([question, -EAGAIN]);
      else {
        expect([question, err]).toEqual([question, ERRORS.get(best.type)]);
        if (err === 0)
          expect([question, inet_ntoa(res.prefix & inet_make_mask(res.prefixlen)), res.prefixlen]).toEqual([
            question,
            inet_ntoa(best.dst),
            best.prefix_len,
          ]);
        if (err === 0) expect(res.fi?.fib_priority).toBe(best.metric);
      }
      counts.lookups++;
    }
    if (i % (i < 200 ? 1 : 500) === 0) expect(trie_check(table.trie)).toEqual([]);
  }
  expect(trie_check(table.trie)).toEqual([]);
  expect(
    trie_dump(table.trie, TABLE)
      .map(({ dst, prefix_len, tos, fi }) => `${inet_ntoa(dst)}/${prefix_len} ${tos} ${fi.fib_priority}`)
      .sort(),
  ).toEqual([...model.keys()].sort());
  // All of them go, and nothing of the trie is left.
  for (const { dst, prefix_len, tos, metric, type } of [...model.values()].sort((a, b) => a.metric - b.metric)) {
    expect(ip_route_del(net, { dst, prefix_len, tos, type, table: TABLE, ...(metric === 0 ? {} : { metric }) })).toBe(
      0,
    );
  }
  expect([table.trie.tnodes, table.trie.leaves, table.count, table.tb_num_default]).toEqual([0, 0, 0, 0]);
  segment.finish();
  return counts;
}

/** Would `other` be found before `entry` by a deletion that names no metric? */
function better(other: Entry, entry: Entry): boolean {
  return (
    other !== entry &&
    other.dst === entry.dst &&
    other.prefix_len === entry.prefix_len &&
    other.tos === entry.tos &&
    other.metric < entry.metric
  );
}

function lookup(model: Map<string, Entry>, addr: number, tos: number): Entry | null {
  let best: Entry | null = null;
  for (const entry of model.values()) {
    if (((addr ^ entry.dst) & inet_make_mask(entry.prefix_len)) !== 0) continue;
    if (entry.tos !== 0 && entry.tos !== tos) continue;
    if (best === null || rank(entry, best)) best = entry;
  }
  return best;
}

/** Longest prefix, then the larger TOS, then the smaller metric. */
function rank(a: Entry, b: Entry): boolean {
  if (a.prefix_len !== b.prefix_len) return a.prefix_len > b.prefix_len;
  if (a.tos !== b.tos) return a.tos > b.tos;
  return a.metric < b.metric;
}
