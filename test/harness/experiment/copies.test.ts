/** Each copy of a packet, counted: what the table says must be what happens. */
import { describe, expect, it } from 'vitest';
import { type CopyPoint, copies, copyPoints, copyScenarios } from '../../../harness/experiment/copies.ts';
import { copy_places } from '../../../kernel/copies.ts';

const measured = new Map<string, readonly CopyPoint[]>();

function rows(name: string): [host: string, place: string, copies: number, bytes: number][] {
  const scenario = copyScenarios.find(each => each.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const points = measured.get(name) ?? copyPoints(scenario, 1);
  measured.set(name, points);
  return points.map(({ host, place, copies: count, bytes }) => [host, place, count, bytes]);
}

describe('from program to program', () => {
  it('a small datagram, once in, once out, and once by copybreak', () => {
    expect(rows('udp-small')).toEqual([
      ['sender', 'user-to-kernel', 1, 18],
      ['sender', 'dma', 1, 60],
      ['receiver', 'dma', 1, 60],
      ['receiver', 'copybreak', 1, 60],
      ['receiver', 'kernel-to-user', 1, 18],
    ]);
  });

  it('a large one, once in and once out', () => {
    expect(rows('udp-large')).toEqual([
      ['sender', 'user-to-kernel', 1, 1400],
      ['sender', 'dma', 1, 1442],
      ['receiver', 'dma', 1, 1442],
      ['receiver', 'kernel-to-user', 1, 1400],
    ]);
  });

  it('a tap on either host, a clone that copies nothing, and what the tap reads', () => {
    const tapped = rows('udp-tapped');
    expect(tapped.filter(([, place]) => place === 'clone')).toEqual([
      ['sender', 'clone', 1, 0],
      ['receiver', 'clone', 1, 0],
    ]);
    expect(tapped.filter(([, place]) => place === 'kernel-to-user')).toEqual([
      ['sender', 'kernel-to-user', 1, 1442],
      ['receiver', 'kernel-to-user', 2, 2842],
    ]);
  });

  it('UDP_SEGMENT, one copy in, and one for each datagram that the stack cuts', () => {
    expect(rows('udp-segment').filter(([host]) => host === 'sender')).toEqual([
      ['sender', 'user-to-kernel', 1, 14_000],
      ['sender', 'gso', 10, 14_420],
      ['sender', 'dma', 10, 14_420],
    ]);
  });

  it('an NE2000, every byte by the CPU and none by DMA', () => {
    expect(rows('ne2000-large')).toEqual([
      ['sender', 'user-to-kernel', 1, 1400],
      ['sender', 'pio-out', 1, 1442],
      ['receiver', 'pio-in', 1, 1442],
      ['receiver', 'kernel-to-user', 1, 1400],
    ]);
  });

  it('a message over the MTU, in three fragments: once in and once out too', () => {
    expect(rows('udp-fragments')).toEqual([
      ['sender', 'user-to-kernel', 3, 4000],
      ['sender', 'dma', 3, 4110],
      ['receiver', 'dma', 3, 4110],
      ['receiver', 'kernel-to-user', 1, 4000],
    ]);
  });

  it('a TCP segment, once in and once out; what goes down is a clone, for which no byte is copied', () => {
    // Beside it an ACK comes back: a frame of 66 bytes, by copybreak.
    expect(rows('tcp-large')).toEqual([
      ['sender', 'user-to-kernel', 1, 1400],
      ['sender', 'clone', 1, 0],
      ['sender', 'dma', 2, 1400 + 66 + 66],
      ['sender', 'copybreak', 1, 66],
      ['receiver', 'dma', 2, 1400 + 66 + 66],
      ['receiver', 'kernel-to-user', 1, 1400],
    ]);
    expect(rows('tcp-small').filter(([, place]) => place === 'clone')).toEqual([['sender', 'clone', 1, 0]]);
  });

  it('20 TCP segments in one packet: one clone, and the card cuts: no other copy on the sender than the one in', () => {
    const bulk = rows('tcp-bulk').filter(([, place]) => place !== 'dma');
    expect(bulk).toEqual([
      ['sender', 'user-to-kernel', 1, 28_960],
      ['sender', 'clone', 1, 0],
      ['sender', 'copybreak', 10, 660],
      ['receiver', 'kernel-to-user', 20, 28_960],
    ]);
  });
});

describe('the registry', () => {
  it('no name twice, and every place has a function and a reason', () => {
    expect(new Set(copy_places.map(({ name }) => name)).size).toBe(copy_places.length);
    for (const { where, what } of copy_places) expect(where.length * what.length).toBeGreaterThan(0);
  });

  it('table and figure name every scenario that was measured', () => {
    for (const { name } of copyScenarios) rows(name);
    const points = [...measured.values()].flat();
    for (const name of new Set(points.map(({ scenario }) => scenario))) expect(copies.table(points)).toContain(name);
    expect(copies.figure(points)).not.toContain('NaN');
  });
});
