/** The benches of TCP measure what they say: bytes, segments, connections. */
import { describe, expect, test } from 'vitest';
import {
  BulkPath,
  benchTcpBulk,
  benchTcpHour,
  benchTcpIdle,
  benchTcpLookup,
  ConnectPath,
  RoundTripPath,
} from '../../../harness/bench/tcp.ts';
import { TcpFloor } from '../../../harness/bench/tcp-floor.ts';

describe('bulk', () => {
  test.each([false, true])('offloads %s: every byte at its place, full segments, none twice', offloads => {
    const path = new BulkPath(offloads);
    path.feed(1_460_000);
    expect([path.done, path.wrong, path.retransmitted]).toEqual([1_460_000, 0, 0]);
    // Few are shorter than the MSS: those that end what was written.
    expect(path.segments).toBeGreaterThanOrEqual(1000);
    expect(path.segments).toBeLessThan(1100);
    path.world.finish();
  });

  test('the floor delivers each segment once its sum is right', () => {
    const floor = new TcpFloor(1460);
    for (let i = 0; i < 1000; i++) floor.segment();
    expect(floor.delivered).toBe(1000);
    floor.release();
  });

  test('the figures have their names', () => {
    const results = benchTcpBulk(1, 1_000_000);
    expect(results.map(({ name }) => name)).toEqual([
      'tcp-bulk.floor',
      'tcp-bulk',
      'tcp-bulk.multiple',
      'tcp-bulk.allocated',
      'tcp-offload',
      'tcp-offload.multiple',
      'tcp-offload.allocated',
      'tcp-offload.gain',
    ]);
  });
});

test('round trips over 50 connections: each is opened, and each answer is one byte', () => {
  const path = new RoundTripPath(50);
  path.feed(500);
  expect([path.opened, path.done]).toEqual([50, 500]);
  const { mib } = path.client.kernel.init_net.ipv4;
  expect([mib.TcpActiveOpens, mib.TcpRetransSegs]).toEqual([50, 0]);
  path.world.finish();
});

test('connections are opened and closed from both ends', () => {
  const path = new ConnectPath();
  path.feed(200);
  const { mib } = path.client.kernel.init_net.ipv4;
  expect(mib.TcpActiveOpens).toBeGreaterThanOrEqual(200);
  expect(mib.TcpAttemptFails).toBe(0);
  path.world.finish();
});

test('idle connections: some bytes each, and no event', () => {
  const [idle] = benchTcpIdle(500);
  expect(idle?.median).toBeGreaterThan(1000);
  expect(idle?.median).toBeLessThan(12_000);
  const path = new RoundTripPath(500, { watched: false });
  const { sim } = path.world;
  // Connection timers have run out; an hour of nothing but what the hosts do by themselves follows.
  sim.run(sim.time + 10e9);
  const timers = [path.client, path.server].map(host => host.kernel.timers.pending);
  for (const pending of timers) expect(pending).toBeLessThan(20);
  path.world.finish();
});

test('an hour of nothing with 500 idle connections: no time to speak of', () => {
  const [hour] = benchTcpHour(1, 500);
  expect(hour?.name).toBe('tcp-hour');
  expect(hour?.median).toBeLessThan(1);
});

test('look-up: one figure for each number of connections', () => {
  const names = benchTcpLookup(1, [1, 20], 100).map(({ name }) => name);
  expect(names).toEqual(['tcp-rr1', 'tcp-rr20', 'tcp-rr20.multiple']);
});

test.each([1, 20])('look-ups among %i connections: request, answer and its ACK in each trip', count => {
  const path = new RoundTripPath(count, { quickack: true });
  const sent = (): number =>
    path.client.kernel.init_net.ipv4.mib.TcpOutSegs + path.server.kernel.init_net.ipv4.mib.TcpOutSegs;
  path.feed(200);
  const before = sent();
  path.feed(200);
  expect(sent() - before).toBe(600);
  path.world.finish();
});
