import { expect, test } from 'vitest';
import { FCS_GOOD } from '../../../device/ports.ts';
import { NE2000 } from '../../../device/regs/ne2000.ts';
import { BNRY, CURR, check, DCR, frame, ISR, MAC, Ne2000Bench, RCR, READ, RSR, START, STOP, WORDS } from './bench.ts';

const FULL = ISR.OVW.mask | ISR.RXE.mask | ISR.RST.mask;

/** Lengths around every page boundary, and a walk through the rest. */
const LENGTHS: number[] = [];
for (let length = 14; length <= 1514; length++) {
  const inPage = (length + 8) & 0xff;
  if (length % 37 === 0 || inPage < 6 || inPage > 250 || length < 20 || length > 1510) LENGTHS.push(length);
}

test.each([
  [8192, 16],
  [16384, 16],
  [16384, 32],
  [16384, 8],
] as const)(
  '%i bytes of memory: every length at every start page comes out byte for byte, %i bits at a time',
  (size, width) => {
    const bench = new Ne2000Bench({ size });
    const stop = 0x40 + size / 256;
    bench.start({ stop, rcr: RCR.AR.mask, dcr: width === 8 ? DCR.LS.mask : WORDS });
    const every = width === 16 ? size / 4096 : 16;
    for (let page = 0x46; page < stop; page++) {
      for (let i = page % every; i < LENGTHS.length; i += every) {
        const length = LENGTHS[i] as number;
        bench.set(CURR, page);
        bench.set(BNRY, page);
        const sent = frame(length, MAC, i);
        const fcs = check(sent);
        bench.receive(sent, i % 3 === 0 ? new DataView(fcs.buffer).getUint32(0, true) : FCS_GOOD);
        let next = page + Math.ceil((length + 8) / 256);
        if (next >= stop) next -= stop - 0x46;
        expect(bench.get(CURR)).toBe(next);
        const got = bench.take(page, width);
        expect([got.status, got.next, got.count]).toEqual([1, next, length + 4]);
        const all = Buffer.concat([sent, fcs]);
        if (Buffer.compare(all, got.bytes) !== 0) expect([...got.bytes]).toEqual([...all]);
      }
    }
    expect(bench.rules()).toEqual([]);
    expect(bench.guardsIntact()).toBe(true);
  },
);

test('boards of 8 to 64 KiB: the last page of memory can be written and read; the PROM hides what it covers', () => {
  for (const [size, first] of [
    [8192, 0x40],
    [16384, 0x40],
    [32768, 0x40],
    [49152, 0x40],
    [57344, 0x20],
    [65536, 0x00],
  ] as const) {
    const bench = new Ne2000Bench({ size }).start();
    const last = first * 256 + size - 256;
    const data = frame(254);
    bench.write(last, data);
    expect([...bench.read(last, 254)]).toEqual([...data]);
    expect(bench.rules()).toEqual([]);
    expect(bench.card.ring.firstPage).toBe(first);
    expect(bench.read(0, 2)[0]).toBe(MAC[0]);
  }
  const ne1000 = new Ne2000Bench({ size: 8192, firstPage: 0x20 }).start({ start: 0x26, stop: 0x40 });
  ne1000.receive(frame(100));
  expect(ne1000.take(0x26).count).toBe(104);
  expect(() => new Ne2000Bench({ size: 65536 + 256 })).toThrow(/packet memory/);
  expect(() => new Ne2000Bench({ size: 1000 })).toThrow(/packet memory/);
});

test('full to the last page: the next frame is given up, nothing unread is touched, BNRY opens it again', () => {
  const bench = new Ne2000Bench().start({ stop: 0x52 });
  const frames = [frame(1514, MAC, 1), frame(1514, MAC, 2)];
  for (const each of frames) bench.receive(each);
  expect([bench.get(CURR), bench.get(ISR)]).toEqual([0x46, ISR.PRX.mask]);
  const before = [...bench.at(0x4600, 0xc00)];
  bench.set(ISR, 0xff);
  for (const length of [60, 1514]) bench.receive(frame(length, MAC, 3));
  expect(bench.get(ISR)).toBe(FULL);
  expect(bench.get(RSR)).toBe(RSR.MPA.mask);
  expect(bench.get(NE2000.CNTR2)).toBe(2);
  expect([...bench.at(0x4600, 0xc00)]).toEqual(before);
  expect(bench.card.room(60)).toBe(false);
  expect(bench.take(0x46).count).toBe(1518);
  // One frame has been taken: RST goes, the pages are free, exactly.
  expect(bench.get(ISR) & ISR.RST.mask).toBe(0);
  expect([bench.card.room(1528), bench.card.room(1529)]).toEqual([true, false]);
  bench.receive(frame(1528, MAC, 4));
  expect([bench.get(CURR), bench.get(ISR) & ISR.PRX.mask]).toEqual([0x4c, 1]);
  const second = bench.take(0x4c);
  expect([...second.bytes.subarray(0, 1514)]).toEqual([...(frames[1] as Uint8Array)]);
});

test('a frame that meets BNRY is given up: CURR and what was unread stay, the free pages may have been written', () => {
  const bench = new Ne2000Bench().start({ bnry: 0x4b });
  bench.fill(0x33);
  bench.receive(frame(1514));
  expect([bench.get(ISR), bench.get(RSR), bench.get(NE2000.CNTR2)]).toEqual([FULL, RSR.MPA.mask, 1]);
  expect(bench.get(CURR)).toBe(0x46);
  expect([...bench.at(0x4600, 4)]).toEqual([0x33, 0x33, 0x33, 0x33]);
  expect([...bench.at(0x4604, 0x4fc)]).toEqual([...frame(1514).subarray(0, 0x4fc)]);
  expect(bench.at(0x4b00, 0x3500).every(byte => byte === 0x33)).toBe(true);
  bench.receive(frame(1272));
  expect(bench.get(CURR)).toBe(0x4b);
});

test('the recovery that the data sheet prescribes, with a frame being sent meanwhile', () => {
  const bench = new Ne2000Bench({ rate: 10e6 }).start({ stop: 0x4a });
  for (let i = 0; i < 5; i++) bench.receive(frame(250, MAC, i));
  expect(bench.get(ISR)).toBe(FULL | ISR.PRX.mask);
  bench.transmit(frame(60));
  const wasSending = (bench.in(0) & NE2000.CR.TXP.mask) !== 0;
  bench.out(0, STOP);
  bench.card.advance(1.6e6);
  bench.set(NE2000.RBCR0, 0);
  bench.set(NE2000.RBCR1, 0);
  expect(wasSending).toBe(true);
  expect(bench.get(ISR) & (ISR.PTX.mask | ISR.RST.mask)).toBe(ISR.PTX.mask | ISR.RST.mask);
  bench.set(NE2000.TCR, 2);
  bench.out(0, START);
  let page = 0x46;
  for (let i = 0; i < 2; i++) {
    const got = bench.take(page);
    expect([...got.bytes.subarray(0, 250)]).toEqual([...frame(250, MAC, i)]);
    page = got.next;
  }
  bench.set(ISR, ISR.OVW.mask | ISR.RXE.mask);
  bench.set(NE2000.TCR, 0);
  bench.set(ISR, 0xff);
  bench.receive(frame(60));
  expect(bench.get(ISR)).toBe(ISR.PRX.mask);
});

test('an overflow’s RST goes with a start', () => {
  const bench = new Ne2000Bench().start({ stop: 0x48 });
  bench.receive(frame(1000));
  expect(bench.get(ISR) & ISR.RST.mask).toBe(ISR.RST.mask);
  bench.page(0);
  bench.out(0, START);
  expect(bench.get(ISR) & ISR.RST.mask).toBe(0);
});

test('BNRY outside the ring: nothing stops a frame, it runs over its own beginning, and only the ring is written', () => {
  const bench = new Ne2000Bench().start({ bnry: 0x20, stop: 0x48 });
  bench.fill(0x44);
  bench.receive(frame(1200));
  expect([bench.get(CURR), bench.get(ISR)]).toEqual([0x47, ISR.PRX.mask]);
  expect(bench.at(0x4800, 0x3800).every(byte => byte === 0x44)).toBe(true);
  expect(bench.at(0x4000, 0x600).every(byte => byte === 0x44)).toBe(true);
});

test.each([
  ['PSTART above PSTOP', { start: 0x60, stop: 0x50, curr: 0x60 }],
  ['PSTOP above memory', { stop: 0xf0, curr: 0x7e, bnry: 0x46 }],
  ['PSTART below memory', { start: 0x10, curr: 0x3e, bnry: 0x10 }],
  ['CURR below the ring', { curr: 0x41, bnry: 0x60 }],
  ['CURR above the ring', { stop: 0x50, curr: 0x60, bnry: 0x4f }],
  ['everything 0', { start: 0, stop: 0, curr: 0, bnry: 0 }],
  ['everything FFh', { start: 0xff, stop: 0xff, curr: 0xff, bnry: 0xff }],
])('%s: frames never leave packet memory, and a violation tells', (_, ring) => {
  const bench = new Ne2000Bench().start(ring);
  for (let i = 0; i < 300; i++) bench.receive(frame(60 + ((i * 53) % 1455), MAC, i));
  expect(bench.guardsIntact()).toBe(true);
  expect(bench.rules()).toContain('ne-ring-bounds');
});

test('a ring whose CURR runs from below into it stores what it should', () => {
  const bench = new Ne2000Bench().start({ start: 0x50, stop: 0x60, curr: 0x5f, bnry: 0x5f });
  bench.set(CURR, 0x4f);
  const sent = frame(700);
  bench.receive(sent);
  expect(bench.get(CURR)).toBe(0x52);
  expect([...bench.at(0x4f00, 4)]).toEqual([1, 0x52, 704 & 0xff, 704 >> 8]);
  expect([...bench.at(0x4f04, 704)]).toEqual([...sent, ...check(sent)]);
});

test('the host’s own writes over an unread frame, before and behind its FCS, leave the FCS of what arrived', () => {
  const bench = new Ne2000Bench().start();
  const sent = frame(100);
  bench.receive(sent);
  bench.write(0x4610, Uint8Array.of(1, 2));
  expect([...bench.at(0x4604 + 100, 4)]).toEqual([...check(sent)]);
});

test('PSTOP moves while an FCS over the end of the ring is still to be computed', () => {
  const bench = new Ne2000Bench().start({ stop: 0x50, curr: 0x4f, bnry: 0x4f });
  const sent = frame(250);
  bench.receive(sent);
  bench.set(NE2000.PSTOP, 0x60);
  expect([...bench.at(0x4f04, 252)]).toEqual([...sent, ...check(sent).subarray(0, 2)]);
  expect([...bench.at(0x4600, 2)]).toEqual([...check(sent).subarray(2)]);
});

test('a frame that arrives in the middle of a remote read over its pages is seen by what is read after it', () => {
  const bench = new Ne2000Bench().start();
  bench.fill(0);
  bench.remote(READ, 0x4600, 200);
  expect([...bench.readPort(20, 16)]).toEqual(new Array(20).fill(0));
  const sent = frame(150);
  bench.receive(sent);
  const rest = bench.readPort(180, 16);
  const whole = [...bench.at(0x4600, 200)];
  expect([...rest]).toEqual(whole.slice(20));
});

test('frames of up to 65535 bytes: the page count wraps, nothing leaves memory', () => {
  const bench = new Ne2000Bench({ size: 49152 }).start({ start: 0x40, stop: 0xff });
  for (const length of [20_000, 48_632, 48_900, 65_535]) {
    bench.set(CURR, 0x40);
    bench.set(BNRY, 0x40);
    bench.set(ISR, 0xff);
    bench.receive(frame(length));
    expect((bench.get(ISR) & ISR.PRX.mask) !== 0).toBe(Math.ceil((length + 8) / 256) <= 0xff - 0x40);
  }
  expect(bench.guardsIntact()).toBe(true);
});
