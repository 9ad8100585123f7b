/** Checksums, segmentation, VLAN tags, time stamps: what the card does to a frame on its way. */
import { expect, test } from 'vitest';
import { RXD, TXC, TXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, counters, fcs, frame, MAC, RAM_BASE, TX_BUFFERS, TX_RING } from './bench.ts';

const { RXE, TXE } = NIC.CTRL;
const { EOP, RS, VLE, ERR } = TXD.STATUS;
const ASK = EOP.mask | RS.mask;
const { L4CS, IPCS, TSO, CTX } = TXC.STATUS;
const S = RXD.STATUS;
const LENGTH_V4 = 54;
const LENGTH_V6 = 74;

/** The Internet checksum once more, the slow way. */
function sum16(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

function pseudo(v6: boolean, frame: Uint8Array, ip: number, protocol: number, length: number): number {
  return sum16(v6 ? frame.slice(ip + 8, ip + 40) : frame.slice(ip + 12, ip + 20), protocol + length);
}

interface Shape {
  v6?: boolean;
  udp?: boolean;
  tag?: number;
  payload: number;
  flags?: number;
}

/** A sound TCP or UDP frame; `l4` and `ip` tell where its headers are. */
function packet({ v6 = false, udp = false, tag, payload, flags = 0x18 }: Shape): {
  bytes: Uint8Array;
  ip: number;
  l4: number;
} {
  const ip = tag === undefined ? 14 : 18;
  const l4 = ip + (v6 ? 40 : 20);
  const head = l4 + (udp ? 8 : 20);
  const bytes = new Uint8Array(head + payload);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC);
  bytes.set([2, 0, 0, 0, 0, 1], 6);
  if (tag !== undefined) {
    view.setUint16(12, 0x8100);
    view.setUint16(14, tag);
  }
  view.setUint16(ip - 2, v6 ? 0x86dd : 0x0800);
  const protocol = udp ? 17 : 6;
  if (v6) {
    bytes[ip] = 0x60;
    view.setUint16(ip + 4, bytes.length - l4);
    bytes[ip + 6] = protocol;
    for (let i = 8; i < 40; i++) bytes[ip + i] = i * 3;
  } else {
    bytes[ip] = 0x45;
    view.setUint16(ip + 2, bytes.length - ip);
    view.setUint16(ip + 4, 0xfffe);
    bytes[ip + 8] = 64;
    bytes[ip + 9] = protocol;
    bytes.set([10, 1, 0, 1, 10, 1, 0, 2], ip + 12);
  }
  view.setUint16(l4, 4000);
  view.setUint16(l4 + 2, 80);
  if (udp) {
    view.setUint16(l4 + 4, 8 + payload);
  } else {
    view.setUint32(l4 + 4, 0xfffffff0);
    bytes[l4 + 12] = 0x50;
    bytes[l4 + 13] = flags;
  }
  for (let i = 0; i < payload; i++) bytes[head + i] = i * 7 + (i >> 8);
  repair(bytes, ip, l4, v6, udp);
  return { bytes, ip, l4 };
}

/** Fills in the checksums. */
function repair(bytes: Uint8Array, ip: number, l4: number, v6: boolean, udp: boolean): void {
  const view = new DataView(bytes.buffer);
  if (!v6) {
    view.setUint16(ip + 10, 0);
    view.setUint16(ip + 10, ~sum16(bytes.slice(ip, ip + 20)) & 0xffff);
  }
  const field = l4 + (udp ? 6 : 16);
  view.setUint16(field, 0);
  const sum = pseudo(v6, bytes, ip, udp ? 17 : 6, bytes.length - l4);
  view.setUint16(field, ~sum16(bytes.slice(l4), sum) & 0xffff || 0xffff);
}

const SHAPES: [string, Shape][] = [
  ['TCP over IPv4', { payload: 100 }],
  ['UDP over IPv4', { payload: 101, udp: true }],
  ['TCP over IPv6', { payload: 99, v6: true }],
  ['UDP over IPv6', { payload: 1, v6: true, udp: true }],
  ['TCP over IPv4 behind a VLAN tag', { payload: 40, tag: 5 }],
];

function receiving(rcr = NIC.RCR.PRO.mask): Bench {
  const bench = new Bench();
  bench.start(RXE.mask, rcr);
  bench.rxRing(16, 15);
  bench.rules();
  return bench;
}

test.each(SHAPES)('%s: right checksums are told right, wrong ones wrong, and counted', (_, shape) => {
  const bench = receiving();
  const v4 = shape.v6 !== true;
  bench.write(NIC.RXCSC, NIC.RXCSC.IP.mask | NIC.RXCSC.L4.mask);
  const { bytes, ip, l4 } = packet(shape);
  bench.receive(bytes);
  const right = (v4 ? S.IPC.mask : 0) | S.L4C.mask;
  const seen = S.IPC.mask | S.IPE.mask | S.L4C.mask | S.L4E.mask;
  expect(bench.rxStatus(0) & seen).toBe(right);
  const broken = bytes.slice();
  broken[bytes.length - 1] = (broken[bytes.length - 1] as number) ^ 1;
  bench.receive(broken);
  expect(bench.rxStatus(1) & seen).toBe(right | S.L4E.mask);
  expect(bench.rxBytes(1)).toEqual(broken);
  if (v4) {
    const header = bytes.slice();
    header[ip + 8] = 63;
    bench.receive(header);
    expect(bench.rxStatus(2) & seen).toBe(right | S.IPE.mask);
  }
  expect(bench.peek(NIC.CSERR)).toBe(v4 ? 2 : 1);
  expect(l4).toBeGreaterThan(ip);
});

test('a frame in an array of odd alignment, wrapped around the ring: the checksum is right all the same', () => {
  const bench = receiving();
  bench.write(NIC.RXCSC, NIC.RXCSC.L4.mask);
  const { bytes } = packet({ payload: 1001, udp: true });
  const odd = new Uint8Array(3000);
  for (let i = 0; i < 12; i++) {
    odd.set(bytes, 7);
    bench.nic.receive(odd, 7, bytes.length, -1, 0);
    expect(bench.rxStatus(i) & (S.L4C.mask | S.L4E.mask)).toBe(S.L4C.mask);
  }
});

test('UDP over IPv4 without a checksum is not checked; over IPv6 it is wrong; a fragment is not checked', () => {
  const bench = receiving();
  bench.write(NIC.RXCSC, NIC.RXCSC.L4.mask);
  const seen = S.L4C.mask | S.L4E.mask;
  const four = packet({ payload: 30, udp: true });
  four.bytes.fill(0, four.l4 + 6, four.l4 + 8);
  bench.receive(four.bytes);
  const six = packet({ payload: 30, udp: true, v6: true });
  six.bytes.fill(0, six.l4 + 6, six.l4 + 8);
  bench.receive(six.bytes);
  const fragment = packet({ payload: 30 });
  fragment.bytes[fragment.ip + 6] = 0x20;
  bench.receive(fragment.bytes);
  expect([0, 1, 2].map(i => bench.rxStatus(i) & seen)).toEqual([0, seen, 0]);
});

test('headers that lie about their length: no exception, nothing checked that is not there', () => {
  const bench = receiving();
  bench.write(NIC.RXCSC, 3);
  bench.write(NIC.RSSC, 0x3f);
  for (const shape of SHAPES) {
    const { bytes } = packet(shape[1]);
    for (let length = 60; length < bytes.length; length += 3) {
      bench.receive(bytes.slice(0, length));
      for (let i = 0; i < 16; i++) bench.rxGive(i);
      bench.write(NIC.RDT, (bench.peek(NIC.RDH) + 15) % 16);
    }
    for (let at = 12; at < 60; at++) {
      const wrong = bytes.slice();
      wrong[at] = 0xff;
      bench.receive(wrong);
      for (let i = 0; i < 16; i++) bench.rxGive(i);
      bench.write(NIC.RDT, (bench.peek(NIC.RDH) + 15) % 16);
    }
  }
  expect(bench.rules()).toEqual([]);
  expect(bench.guardsIntact()).toBe(true);
});

test('VLAN strip: tag in the descriptor, four bytes less in the buffer, the ring as it came; wrapped frames too', () => {
  const bench = receiving();
  bench.write(NIC.VLCR, NIC.VLCR.STRIP.mask);
  for (let i = 0; i < 14; i++) {
    const { bytes } = packet({ payload: 900, tag: 0x6123 });
    bench.receive(bytes);
    const bare = Uint8Array.from([...bytes.slice(0, 12), ...bytes.slice(16)]);
    expect(bench.rxBytes(i)).toEqual(bare);
    expect(bench.rxStatus(i) & S.VP.mask).not.toBe(0);
    expect(bench.rxVlan(i)).toBe(0x6123);
  }
  bench.receive(frame(64));
  expect(bench.rxStatus(14) & S.VP.mask).toBe(0);
  expect(bench.rxVlan(14)).toBe(0);
});

test('VLAN strip with KEEP and a small buffer', () => {
  const bench = new Bench();
  bench.start(RXE.mask, NIC.RCR.PRO.mask | NIC.RCR.KEEP.mask);
  bench.write(NIC.VLCR, NIC.VLCR.STRIP.mask);
  bench.rxRing(8, 7, 64);
  const { bytes } = packet({ payload: 40, tag: 7 });
  bench.receive(bytes);
  const whole = [...bytes, ...new Uint8Array(Uint32Array.of(fcs(bytes)).buffer)];
  expect([...bench.rxBytes(0)]).toEqual([...whole.slice(0, 12), ...whole.slice(16)].slice(0, 64));
  expect(bench.rxStatus(0) & S.TRUNC.mask).not.toBe(0);
});

test('VLAN filter: only ids with their bit in VFTA; frames without a tag pass', () => {
  const bench = receiving();
  bench.write(NIC.VLCR, NIC.VLCR.FILTER.mask);
  for (const id of [0, 5, 31, 32, 4095]) {
    const { bytes } = packet({ payload: 40, tag: 0xe000 | id });
    bench.receive(bytes);
    const at = NIC.VFTA.offset + 4 * (id >> 5);
    bench.nic.write(0, at, 32, (bench.nic.read(0, at, 32) | (1 << (id & 31))) >>> 0);
    bench.receive(bytes);
  }
  bench.receive(frame(60));
  expect(counters(bench)).toMatchObject({ FILT: 5, GPRC: 6 });
});

test('time stamps: bits 31:0 of the arrival in ADDR, the rest from TIMEH', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.start(RXE.mask);
  bench.rxRing(8, 7);
  bench.write(NIC.RXCSC, NIC.RXCSC.TS.mask);
  const at = 3 * 2 ** 32 + 0x9abcdef0;
  bench.nic.advance(at);
  bench.receive(frame(60));
  bench.nic.advance(at + 10_000);
  expect(bench.rxWord(0, 0)).toBe(0x9abcdef0);
  expect(bench.rxStatus(0) & S.TS.mask).not.toBe(0);
  expect(bench.read(NIC.TIMEH)).toBe(0);
  expect(bench.read(NIC.TIMEL)).toBe(0x9abcdef0 + 10_000);
  expect(bench.read(NIC.TIMEH)).toBe(3);
});

// ---- sending ------------------------------------------------------------------------------------------------------

function sending(options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const bench = new Bench(options);
  bench.start(TXE.mask);
  bench.txRing(128);
  return bench;
}

interface Orders {
  l4?: number;
  cso?: number;
  ip?: number;
  hdr?: number;
  mss?: number;
  orders: number;
}

/** A context descriptor, then the frame in pieces of the given sizes; rings the doorbell. */
function send(
  bench: Bench,
  bytes: Uint8Array,
  orders: Orders | null,
  sizes: number[] = [bytes.length],
  flags = 0,
): void {
  let index = bench.peek(NIC.TDT);
  const next = (): number => {
    const now = index;
    index = (index + 1) % 128;
    return now;
  };
  if (orders !== null) {
    const { l4 = 0, cso = 0, ip = 0, hdr = 0, mss = 0 } = orders;
    const word = (l4 | (cso << 8) | (ip << 16) | (hdr << 24)) >>> 0;
    bench.txContext(next(), word, mss, CTX.mask | orders.orders);
  }
  bench.ram.bytes.set(bytes, TX_BUFFERS - RAM_BASE);
  let at = 0;
  sizes.forEach((size, i) => {
    const last = i === sizes.length - 1;
    bench.txDescriptor(next(), TX_BUFFERS + at, size, (last ? ASK : 0) | (i === 0 ? flags : 0));
    at += size;
  });
  bench.write(NIC.TDT, index);
}

test.each(SHAPES)('%s: the card makes the checksums that the host left out', (_, shape) => {
  const bench = sending();
  const { bytes, ip, l4 } = packet(shape);
  const cso = shape.udp === true ? 6 : 16;
  const partial = bytes.slice();
  const view = new DataView(partial.buffer);
  const v6 = shape.v6 === true;
  view.setUint16(l4 + cso, pseudo(v6, bytes, ip, shape.udp === true ? 17 : 6, bytes.length - l4));
  if (!v6) view.setUint16(ip + 10, 0x1234);
  send(bench, partial, { l4, cso, ip, orders: L4CS.mask | (v6 ? 0 : IPCS.mask) }, [20, 30, bytes.length - 50]);
  expect(bench.sent[0]?.bytes).toEqual(bytes);
  expect(bench.rules()).toEqual([]);
});

test('orders are for one frame only', () => {
  const bench = sending();
  const { bytes, l4 } = packet({ payload: 20 });
  const wrong = bytes.slice();
  wrong.fill(0, l4 + 16, l4 + 18);
  send(bench, wrong, { l4, cso: 16, orders: L4CS.mask });
  send(bench, wrong, null);
  expect(bench.sent[0]?.bytes).not.toEqual(wrong);
  expect(bench.sent[1]?.bytes).toEqual(wrong);
});

test('VLE inserts a tag, padding and checksum orders beside it', () => {
  const bench = sending();
  bench.write(NIC.TCR, NIC.TCR.PAD.mask);
  const { bytes } = packet({ payload: 30 });
  const index = bench.peek(NIC.TDT);
  bench.ram.view.setUint16(TX_RING - RAM_BASE + index * 16 + 10, 0, true);
  bench.txTag = 0x2ff1;
  send(bench, bytes, null, [bytes.length], VLE.mask);
  const tagged = [...bytes.slice(0, 12), 0x81, 0x00, 0x2f, 0xf1, ...bytes.slice(12)];
  expect([...(bench.sent[0]?.bytes ?? [])]).toEqual(tagged);
  send(bench, frame(20), null, [20], VLE.mask);
  expect(bench.sent[1]?.bytes.length).toBe(60);
  send(bench, frame(1532), null, [1532], VLE.mask);
  send(bench, frame(1533), null, [1533], VLE.mask);
  expect(bench.sent.length).toBe(3);
  expect(bench.rules()).toEqual(['tx-too-long']);
});

test('a tag on another piece than the first is reserved', () => {
  const bench = sending();
  bench.ram.bytes.set(frame(100), TX_BUFFERS - RAM_BASE);
  bench.txDescriptor(0, TX_BUFFERS, 50, 0);
  bench.txDescriptor(1, TX_BUFFERS + 50, 50, ASK | VLE.mask);
  bench.write(NIC.TDT, 2);
  expect(bench.rules()).toEqual(['descriptor-reserved']);
  expect(bench.sent[0]?.bytes).toEqual(frame(100));
});

test.each<[string, Shape, number, number[]]>([
  ['IPv4', { payload: 5000, flags: 0x99 }, 1460, []],
  ['IPv4, scattered', { payload: 3001, flags: 0x11 }, 1000, [20, 30, 10, 1, 1500, 700, 794]],
  ['IPv4, one segment', { payload: 100, flags: 0x19 }, 1460, []],
  ['IPv4, an exact number', { payload: 2000, flags: 0x18 }, 1000, []],
  ['IPv4, no payload', { payload: 0, flags: 0x02 }, 1460, []],
  ['IPv6', { payload: 4000, v6: true, flags: 0x99 }, 1440, []],
])('TSO over %s: each segment is a sound frame of its own', (_, shape, mss, sizes) => {
  const bench = sending({ rate: 1e9 });
  const { bytes, ip, l4 } = packet(shape);
  const v6 = shape.v6 === true;
  const hdr = l4 + 20;
  const pieces = sizes.length > 0 ? [...sizes, bytes.length - sizes.reduce((a, b) => a + b, 0)] : [bytes.length];
  send(
    bench,
    bytes,
    { l4, cso: 16, ip, hdr, mss, orders: TSO.mask },
    pieces.filter(size => size > 0),
  );
  bench.nic.advance(1e6);
  const count = Math.max(1, Math.ceil(shape.payload / mss));
  expect(bench.sent.length).toBe(count);
  let got: number[] = [];
  bench.sent.forEach(({ bytes: segment }, i) => {
    const payload = segment.length - hdr;
    const view = new DataView(segment.buffer);
    expect(payload).toBe(i < count - 1 ? mss : shape.payload - mss * (count - 1));
    expect(view.getUint32(l4 + 4)).toBe((0xfffffff0 + i * mss) >>> 0);
    const last = i === count - 1 ? 0x09 : 0;
    const first = i === 0 ? 0x80 : 0;
    expect(segment[l4 + 13]).toBe((shape.flags as number) & (0x76 | last | first));
    if (!v6) expect(view.getUint16(ip + 4)).toBe((0xfffe + i) & 0xffff);
    const right = segment.slice();
    repair(right, ip, l4, v6, false);
    if (v6) new DataView(right.buffer).setUint16(ip + 4, segment.length - l4);
    else new DataView(right.buffer).setUint16(ip + 2, segment.length - ip);
    repair(right, ip, l4, v6, false);
    expect(segment).toEqual(right);
    got = got.concat([...segment.slice(hdr)]);
  });
  expect(got).toEqual([...bytes.slice(hdr)]);
  expect(counters(bench)).toMatchObject({ GPTC: count, TSOC: count, TXERR: 0 });
  const last = (bench.peek(NIC.TDT) + 127) % 128;
  expect(bench.txStatus(last) & (TXD.STATUS.DD.mask | ERR.mask)).toBe(TXD.STATUS.DD.mask);
  expect(bench.rules()).toEqual([]);
});

test('TSO with a tag: in every segment', () => {
  const bench = sending();
  const { bytes, ip, l4 } = packet({ payload: 2500 });
  bench.txTag = 0x0123;
  send(bench, bytes, { l4, cso: 16, ip, hdr: 54, mss: 1000, orders: TSO.mask }, [bytes.length], VLE.mask);
  expect(bench.sent.map(({ bytes: b }) => [b.length, b[12], b[15]])).toEqual([
    [1058, 0x81, 0x23],
    [1058, 0x81, 0x23],
    [558, 0x81, 0x23],
  ]);
});

test.each<[string, Orders, number[], string]>([
  ['header longer than the frame', { l4: 34, ip: 14, hdr: 255, mss: 1000, orders: TSO.mask }, [100], 'tx-tso-header'],
  ['header shorter than TCP', { l4: 34, ip: 14, hdr: 53, mss: 1000, orders: TSO.mask }, [1000], 'tx-tso-header'],
  ['no header', { l4: 0, ip: 0, hdr: 0, mss: 1000, orders: TSO.mask }, [1000], 'tx-tso-header'],
  ['IP header over TCP', { l4: 34, ip: 30, hdr: 54, mss: 1000, orders: TSO.mask }, [1000], 'tx-tso-header'],
  ['no IP there', { l4: 54, ip: 20, hdr: 80, mss: 1000, orders: TSO.mask }, [1000], 'tx-tso-header'],
  ['MSS 0', { l4: 34, ip: 14, hdr: 54, mss: 0, orders: TSO.mask }, [1000], 'tx-tso-mss'],
  ['a segment beyond the pages', { l4: 34, ip: 14, hdr: 54, mss: 1483, orders: TSO.mask }, [4000], 'tx-tso-mss'],
  ['65 pieces', { l4: 34, ip: 14, hdr: 54, mss: 1000, orders: TSO.mask }, new Array(65).fill(20), 'tx-pieces'],
  ['128 KiB', { l4: 34, ip: 14, hdr: 54, mss: 1000, orders: TSO.mask }, [60000, 60000], 'tx-pieces'],
  ['checksum field outside', { l4: 90, cso: 16, orders: L4CS.mask }, [100], 'tx-checksum-range'],
  ['checksum start outside', { l4: 200, cso: 0, orders: L4CS.mask }, [100], 'tx-checksum-range'],
  ['IPv4 header outside', { ip: 90, orders: IPCS.mask }, [100], 'tx-checksum-range'],
  ['IPCS where there is no IPv4', { ip: 20, orders: IPCS.mask }, [100], 'tx-checksum-range'],
])('hostile order, %s: discarded with ERR, the next frame goes', (_, orders, sizes, rule) => {
  const bench = sending();
  const { bytes } = packet({ payload: 1200 });
  const whole = new Uint8Array(
    Math.max(
      sizes.reduce((a, b) => a + b, 0),
      bytes.length,
    ),
  );
  whole.set(bytes);
  send(bench, whole, orders, sizes);
  expect(bench.rules()).toEqual([rule]);
  expect(bench.txStatus((bench.peek(NIC.TDT) + 127) % 128) & ERR.mask).toBe(ERR.mask);
  send(bench, frame(60), null);
  expect(bench.sent.map(({ bytes: b }) => b.length)).toEqual([60]);
  expect(bench.guardsIntact()).toBe(true);
});

test('context descriptors without end, two in a row, one in the middle of a frame: an error, no hang', () => {
  const bench = sending();
  for (let i = 0; i < 128; i++) bench.txContext(i, 0, 0, CTX.mask);
  bench.write(NIC.TDT, 127);
  expect(new Set(bench.rules())).toEqual(new Set(['tx-context', 'tx-no-eop']));
  bench.txDescriptor(127, TX_BUFFERS, 60, ASK);
  bench.write(NIC.TDT, 0);
  expect(bench.txStatus(127) & ERR.mask).toBe(ERR.mask);
  bench.txDescriptor(0, TX_BUFFERS, 60, 0);
  bench.txContext(1, 0, 0, CTX.mask);
  bench.txDescriptor(2, TX_BUFFERS, 60, ASK);
  bench.write(NIC.TDT, 3);
  expect(bench.rules()).toEqual(['tx-context']);
  expect(bench.sent.length).toBe(0);
  bench.txFrame(3, frame(60));
  expect(bench.sent.length).toBe(1);
});

test('context descriptor with reserved bits: taken, a violation', () => {
  const bench = sending();
  bench.txContext(0, 0, 0xffffc000, CTX.mask | 0x80000001);
  bench.txFrame(1, frame(60));
  expect(bench.rules()).toEqual(['descriptor-reserved']);
  expect(bench.sent.length).toBe(1);
});

test('TSO, a DMA fault in the second segment: the first has left, ERR, the next frame goes', () => {
  const bench = sending();
  const { bytes, ip, l4 } = packet({ payload: 3000 });
  bench.ram.badFrom = TX_BUFFERS + 1500;
  bench.ram.badTo = TX_BUFFERS + 1501;
  send(bench, bytes, { l4, ip, hdr: 54, mss: 1000, orders: TSO.mask });
  expect(bench.sent.length).toBe(1);
  expect(bench.rules()).toEqual(['dma-fault']);
  bench.ram.badTo = 0;
  send(bench, frame(60), null);
  expect(bench.sent.length).toBe(2);
  expect(counters(bench)).toMatchObject({ GPTC: 2, TXERR: 1 });
});

test('TSO, MSS 1, 60000 bytes: sixty thousand frames and no deep stack', () => {
  const bench = sending();
  let frames = 0;
  bench.transmit = () => {
    frames++;
  };
  const { bytes, ip, l4 } = packet({ payload: 60000 });
  send(bench, bytes, { l4, ip, hdr: 54, mss: 1, orders: TSO.mask });
  expect(frames).toBe(60000);
});

test('TSO on a wire with a rate: segments leave one after the other, other queues wait', () => {
  const bench = sending({ rate: 1e9 });
  const { bytes, ip, l4 } = packet({ payload: 2000 });
  send(bench, bytes, { l4, ip, hdr: 54, mss: 1000, orders: TSO.mask });
  bench.nic.advance(1e6);
  const [a, b] = bench.sent.map(({ time }) => time) as [number, number];
  expect(b - a).toBeGreaterThanOrEqual((1054 + 24) * 8);
});

test('lengths of test frames', () => {
  expect([packet({ payload: 0 }).bytes.length, packet({ payload: 0, v6: true }).bytes.length]).toEqual([
    LENGTH_V4,
    LENGTH_V6,
  ]);
});
