import { expect, test } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { inet_ehash, type sock_common } from '../../../../kernel/net/ipv4/inet_hashtables.ts';

class Entry implements sock_common {
  readonly sk_state = 1;
  sk_bound_dev_if = 0;
  ehash_slot = 0;
  readonly inet_rcv_saddr: number;
  readonly inet_num: number;
  readonly inet_daddr: number;
  readonly inet_dport: number;

  constructor(laddr: number, lport: number, faddr: number, fport: number) {
    this.inet_rcv_saddr = laddr;
    this.inet_num = lport;
    this.inet_daddr = faddr;
    this.inet_dport = fport;
  }
}

const find = (table: inet_ehash, e: Entry, dif = 1): sock_common | null =>
  table.lookup(e.inet_daddr, e.inet_dport, e.inet_rcv_saddr, e.inet_num, dif);

test('established table: what is in is found and nothing else, whatever the order of coming and going', () => {
  const chance = new Random(7, 'ehash');
  const table = new inet_ehash(new Random(7, 'secret'));
  const model = new Map<string, Entry>();
  const keys: string[] = [];
  for (let round = 0; round < 20000; round++) {
    // Few addresses and ports, so that keys come again.
    const e = new Entry(0x0a000001, 80 + chance.below(4), 0x0a000100 + chance.below(50), chance.below(40));
    const key = `${e.inet_num} ${e.inet_daddr} ${e.inet_dport}`;
    const there = model.get(key);
    expect(find(table, e)).toBe(there ?? null);
    if (there === undefined) {
      table.insert(e);
      model.set(key, e);
      keys.push(key);
    } else if (chance.below(2) === 0) {
      expect(table.remove(there)).toBe(true);
      expect(table.remove(there)).toBe(false);
      model.delete(key);
    }
  }
  expect(table.count).toBe(model.size);
  expect(table.all().length).toBe(model.size);
});

test('a socket bound to a device, segments from that and from another: found for its own only', () => {
  const table = new inet_ehash(new Random(1, 'x'));
  const e = new Entry(1, 2, 3, 4);
  e.sk_bound_dev_if = 3;
  table.insert(e);
  expect(find(table, e, 3)).toBe(e);
  expect(find(table, e, 2)).toBe(null);
});

test('two entries with one key, look-up: the one that came last, and the other after it is gone', () => {
  const table = new inet_ehash(new Random(1, 'x'));
  const first = new Entry(1, 2, 3, 4);
  const second = new Entry(1, 2, 3, 4);
  table.insert(first);
  table.insert(second);
  expect(find(table, first)).toBe(second);
  table.remove(second);
  expect(find(table, first)).toBe(first);
});
