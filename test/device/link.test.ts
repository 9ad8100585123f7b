import { expect, test } from 'vitest';
import { FCS_GOOD, type Station } from '../../device/ports.ts';
import { FrameFifo } from '../../device/wire/fifo.ts';
import { Link } from '../../device/wire/link.ts';
import { FrameSource } from '../../device/wire/source.ts';
import { frame } from './bench.ts';

class Listener implements Station {
  time = 0;
  deadline = Infinity;
  readonly heard: { bytes: Uint8Array; fcs: number; id: number; time: number }[] = [];
  advance(now: number): void {
    if (now > this.time) this.time = now;
  }
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.heard.push({ bytes: bytes.slice(at, at + length), fcs, id, time: this.time });
  }
}

function pair(options: ConstructorParameters<typeof Link>[0] = {}): { link: Link; left: Listener; right: Listener } {
  const link = new Link(options);
  const left = new Listener();
  const right = new Listener();
  link.attach(0, left);
  link.attach(1, right);
  return { link, left, right };
}

test('frames arrive in order, each after the latency, with FCS and id', () => {
  const { link, left, right } = pair({ latencyNs: 700 });
  for (let i = 1; i <= 20; i++) {
    left.time = i * 100;
    link.end(0).transmit(frame(50 + i * 70), 0, 50 + i * 70, i === 3 ? 0xffffffff : FCS_GOOD, i);
  }
  expect(link.deadline).toBe(800);
  link.advance(799);
  expect(right.heard).toEqual([]);
  link.advance(1500);
  expect(right.heard.map(heard => heard.id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  link.advance(10_000);
  expect(right.heard.map(heard => heard.time)).toEqual(Array.from({ length: 20 }, (_, i) => (i + 1) * 100 + 700));
  expect(right.heard[19]?.bytes).toEqual(frame(1450));
  expect([right.heard[2]?.fcs, right.heard[3]?.fcs]).toEqual([0xffffffff, -1]);
  expect([link.deadline, link.inFlight]).toEqual([Infinity, 0]);
});

test('both directions are delivered in one order of time', () => {
  const { link, left, right } = pair();
  const order: number[] = [];
  left.receive = (_bytes, _at, _length, _fcs, id) => void order.push(id);
  right.receive = left.receive;
  for (let i = 0; i < 6; i++) {
    left.time = i * 10;
    right.time = i * 10 + 5;
    link.end(0).transmit(frame(60), 0, 60, -1, 2 * i);
    link.end(1).transmit(frame(60), 0, 60, -1, 2 * i + 1);
  }
  link.advance(1e6);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('link memory or slots full: the frame is lost and counted, the others arrive', () => {
  for (const options of [{ memory: { bytes: new Uint8Array(2000), base: 0, size: 2000 } }, { slots: 10 }]) {
    const { link, right } = pair(options);
    const lost: number[] = [];
    link.lost = (_, id) => lost.push(id);
    for (let i = 0; i < 20; i++) link.end(0).transmit(frame(100, i), 0, 100, -1, i);
    expect([link.sent[0], link.overflow[0]]).toEqual([20, 10]);
    link.advance(1e6);
    expect(right.heard.map(heard => heard.id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(lost).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    expect(right.heard[9]?.bytes).toEqual(frame(100, 9));
  }
});

test('zero latency: delivered within the call; nobody there: lost and counted', () => {
  const { link, left, right } = pair({ latencyNs: 0 });
  left.time = 123;
  link.end(0).transmit(frame(60), 0, 60, -1, 1);
  expect(right.heard).toMatchObject([{ id: 1, time: 123 }]);
  const lonely = new Link({ latencyNs: 0 });
  lonely.end(0).transmit(frame(60), 0, 60, -1, 1);
  expect(lonely.overflow[0]).toBe(1);
});

test('the observer sees every frame as it leaves, also those that get lost', () => {
  const { link, left } = pair({ slots: 1 });
  const seen: number[][] = [];
  link.observer = (from, _bytes, _at, length, _fcs, id, time) => seen.push([from, length, id, time]);
  left.time = 9;
  link.end(0).transmit(frame(60), 0, 60, -1, 1);
  link.end(0).transmit(frame(61), 0, 61, -1, 2);
  expect(seen).toEqual([
    [0, 60, 1, 9],
    [0, 61, 2, 9],
  ]);
});

test('a station that answers while it receives: the answer is delivered in the same advance', () => {
  const { link, left, right } = pair();
  right.receive = (bytes, at, length, fcs, id) => {
    link.end(1).transmit(bytes, at, length, fcs, id + 100);
    link.advance(right.time);
  };
  link.end(0).transmit(frame(60), 0, 60, -1, 1);
  link.advance(10_000);
  expect(left.heard).toMatchObject([{ id: 101, time: 1000 }]);
});

test('a frame queue in a part of an array stays in that part, whatever comes', () => {
  const bytes = new Uint8Array(3000).fill(0xa5);
  const fifo = new FrameFifo({ bytes, base: 1000, size: 1000 }, 16);
  const expected: Uint8Array[] = [];
  let salt = 0;
  for (let i = 0; i < 2000; i++) {
    const length = (i * 131) % 400;
    if ((i * 7) % 3 !== 0) {
      const sent = frame(length, salt++);
      if (fifo.push(sent, 0, length, 20, -1, 0, i)) expected.push(sent);
    } else if (fifo.length > 0) {
      const want = expected.shift() as Uint8Array;
      const got = bytes.subarray(fifo.headAt, fifo.headAt + fifo.headLength);
      expect(got.length).toBe(Math.max(20, want.length));
      expect(got.subarray(0, want.length)).toEqual(want);
      expect(got.subarray(want.length).every(byte => byte === 0)).toBe(true);
      fifo.shift();
    }
    expect(fifo.length).toBe(expected.length);
  }
  expect(bytes.subarray(0, 1000).every(byte => byte === 0xa5)).toBe(true);
  expect(bytes.subarray(2000).every(byte => byte === 0xa5)).toBe(true);
});

test('a source sends at its rate, pads to 60, and refuses when its queue is full', () => {
  const wire = new Listener();
  const source: FrameSource = new FrameSource({
    wire: {
      transmit: (bytes, at, length, fcs, id) => {
        wire.advance(source.time);
        wire.receive(bytes, at, length, fcs, id);
      },
    },
    rate: 1e8,
    slots: 3,
  });
  for (let i = 0; i < 4; i++) source.send(frame(42), 0, 42, -1, i, 1000);
  expect([source.accepted, source.overflow, source.queued]).toEqual([3, 1, 3]);
  expect(source.deadline).toBe(1000 + 72 * 80);
  source.advance(1e6);
  expect(wire.heard.map(heard => heard.time)).toEqual([0, 1, 2].map(i => 1000 + 72 * 80 + i * 84 * 80));
  expect(wire.heard[0]?.bytes).toEqual(Uint8Array.of(...frame(42), ...new Uint8Array(18)));
  expect([source.sent, source.time]).toEqual([3, 1e6]);
});

test('an instant source sends at the time it was given', () => {
  const wire = new Listener();
  const source: FrameSource = new FrameSource({
    wire: { transmit: () => void wire.heard.push({ bytes: new Uint8Array(), fcs: 0, id: 0, time: source.time }) },
    rate: 'instant',
  });
  for (const time of [5, 10, 7]) source.send(frame(60), 0, 60, -1, 0, time);
  source.advance(100);
  expect(wire.heard.map(heard => heard.time)).toEqual([5, 10, 10]);
});
