/** The table of what is remembered of servers. */
import { expect, test } from 'vitest';
import { tcp_metrics_table } from '../../../../kernel/net/ipv4/tcp_metrics.ts';
import { Segment } from '../segment.ts';

test('an entry for each pair of addresses: found again, forgotten when it is flushed', () => {
  const table = new tcp_metrics_table(new Segment().net);
  expect(table.get(1, 2, false)).toBe(null);
  const entry = table.get(1, 2, true);
  expect(table.get(1, 2, true)).toBe(entry);
  expect([table.get(2, 1, false), table.get(1, 3, false)]).toEqual([null, null]);
  table.get(1, 3, true);
  table.flush(tm => tm.daddr === 2);
  expect([...table.entries()].map(tm => tm.daddr)).toEqual([3]);
});

test('more servers than there is room for: those of long ago are forgotten, with all that was known', () => {
  const segment = new Segment();
  const table = new tcp_metrics_table(segment.net);
  for (let i = 0; i < 5000; i++) {
    if (i % 100 === 0) segment.wait(0.01);
    const tm = table.get(7, i, true);
    expect([tm?.mss, tm?.cookie.len, tm?.try_exp]).toEqual([0, 0, 0]);
    Object.assign(tm as object, { mss: 1460, try_exp: 1 });
    if (tm !== null) tm.cookie.len = 8;
  }
  const kept = [...table.entries()].map(tm => tm.daddr);
  expect(kept.length).toBeLessThanOrEqual(256 * 6);
  expect(kept.length).toBeGreaterThan(1200);
  expect(Math.min(...kept)).toBeGreaterThan(1000);
  for (let i = 4900; i < 5000; i++) expect(table.get(7, i, false)?.mss).toBe(1460);
});
