/** How benches measure: turns, quiet runs, warm-up. */
import { expect, test } from 'vitest';
import { alternately, quietRuns, warmUp } from '../../../harness/bench/runner.ts';

test('two subjects measured: in turn, each as much as the other, the best turn counts', () => {
  const order: string[] = [];
  const least = alternately(['a', 'b'], 64, (subject, count) => {
    order.push(`${subject}${count}`);
    for (let until = process.hrtime.bigint() + (subject === 'a' ? 0n : 1_000_000n); process.hrtime.bigint() < until; );
  });
  expect(order).toEqual(Array.from({ length: 8 }, () => ['a8', 'b8']).flat());
  expect(least[1]).toBeGreaterThanOrEqual(0.000125);
  expect(least[0]).toBeLessThan(0.000125);
});

test('runs of a busy machine are repeated, and those with the least floor count', () => {
  // [subject, floor]: the second and third run meet a busy machine.
  const costs = [
    [30, 10],
    [90, 20],
    [80, 12],
    [33, 10.5],
    [31, 9.9],
    [99, 9],
  ];
  let next = 0;
  const quiet = quietRuns(3, -1, () => costs[next++] as number[]);
  expect(quiet).toEqual([
    [31, 9.9],
    [30, 10],
    [33, 10.5],
  ]);
  expect(next).toBe(5);
});

test('a machine that is never quiet is asked three times as often, no more', () => {
  let asked = 0;
  expect(quietRuns(2, 0, () => [2 ** -asked++, 7])).toEqual([
    [2 ** -5, 7],
    [2 ** -4, 7],
  ]);
  expect(asked).toBe(6);
});

/** Takes `ms`. */
function spin(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test('a warm-up goes on while the work still becomes faster, and is over at once where no figure is wanted', () => {
  let once = 0;
  warmUp(1, () => once++);
  expect(once).toBe(1);
  // Ever faster for four seconds, one longer than the least warm-up.
  const start = performance.now();
  let turns = 0;
  warmUp(3, () => {
    turns++;
    spin(Math.max(5, 205 - (performance.now() - start) / 20));
  });
  expect(performance.now() - start).toBeGreaterThan(4000);
  expect(turns).toBeGreaterThan(25);
}, 20_000);
