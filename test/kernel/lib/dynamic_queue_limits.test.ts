import { describe, expect, it } from 'vitest';
import { dql } from '../../../kernel/lib/dynamic_queue_limits.ts';

/** Queues `bytes` of packets as far as the limit lets; then all of it is completed. */
function round(d: dql, packet: number, most: number, now: number): number {
  let queued = 0;
  while (d.avail() >= 0 && queued < most) {
    d.queued(packet);
    queued += packet;
  }
  d.completed(queued, now);
  return queued;
}

describe('dql', () => {
  it('nothing known, one object passes the limit of 0', () => {
    const d = new dql();
    expect(d.avail()).toBe(0);
    d.queued(1500);
    expect(d.avail()).toBe(-1500);
    expect(d.inflight()).toBe(1500);
  });

  it('starved again and again, the limit grows until there is enough', () => {
    const d = new dql();
    const before = round(d, 1500, 100_000, 0);
    for (let i = 1; i < 20; i++) round(d, 1500, 100_000, i * 1000);
    expect(before).toBe(1500);
    expect(d.limit).toBeGreaterThan(10_000);
  });

  it('much more queued than is needed, the limit shrinks after the hold time', () => {
    const d = new dql();
    d.min_limit = 50_000;
    d.reset();
    d.min_limit = 0;
    let now = 0;
    // Always something left when a packet is done: busy, never starved.
    for (let i = 0; i < 5000; i++) {
      while (d.avail() >= 0) d.queued(1000);
      now += 1_000_000;
      d.completed(1000, now);
    }
    expect(d.limit).toBeLessThan(5000);
    expect(d.limit).toBeGreaterThan(0);
  });

  it('a least and a greatest limit, kept', () => {
    const d = new dql();
    d.min_limit = 3000;
    d.max_limit = 6000;
    d.reset();
    expect(d.limit).toBe(3000);
    for (let i = 0; i < 50; i++) round(d, 1500, 100_000, i);
    expect(d.limit).toBe(6000);
  });

  it('counters that pass 2³², work as before', () => {
    const d = new dql();
    d.min_limit = 10_000;
    d.reset();
    for (let i = 0; i < 200; i++) {
      d.queued(0x7fff0000);
      expect(d.completed(0x7fff0000, i)).toBe(true);
    }
    expect(d.inflight()).toBe(0);
  });

  it('more completed than was queued, refused', () => {
    const d = new dql();
    d.queued(100);
    expect(d.completed(101, 0)).toBe(false);
  });
});
