/** kernel/net/ipv4/tcp_helpers.ts */
import { expect, test } from 'vitest';
import { ktime_get_seconds } from '../../../../kernel/net/ipv4/tcp_helpers.ts';
import { Segment } from '../segment.ts';

test('a host that has just started: a stamp of its seconds is not 0, which stands for none', () => {
  const { kernel } = new Segment();
  expect(kernel.clock.now).toBeLessThan(1e9);
  expect(ktime_get_seconds(kernel)).toBeGreaterThan(0);
  const before = ktime_get_seconds(kernel);
  kernel.clock.now += 3e9;
  expect(ktime_get_seconds(kernel) - before).toBe(3);
});
