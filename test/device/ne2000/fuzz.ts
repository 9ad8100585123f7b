/** Random operations on the NE2000: register writes and reads of every width, frames, time; what must hold all the while. */
import { GPRC, GPTC, MPC } from '../../../device/stats.ts';
import { BROADCAST, frame, MAC, Ne2000Bench } from './bench.ts';

const RATES = ['instant', 10e6] as const;
const SIZES = [8192, 16384, 65536] as const;
const WIDTHS = [8, 8, 8, 8, 16, 32] as const;

/** Runs `operations` from `seed`; gives a hash over everything that was seen. @throws Error when something does not hold */
export function fuzz(seed: number, operations: number): number {
  const random = new Lcg(seed);
  const bench = new Ne2000Bench({
    size: SIZES[random.below(SIZES.length)] as number,
    rate: RATES[random.below(RATES.length)] as (typeof RATES)[number],
  });
  const { card } = bench;
  const frames = [60, 14, 64, 250, 252, 506, 1514, 5].map((length, i) =>
    frame(length, i % 3 === 0 ? BROADCAST : MAC, i),
  );
  let hash = 0x811c9dc5;
  const note = (value: number): void => {
    hash = Math.imul(hash ^ (value >>> 0), 0x01000193) >>> 0;
  };
  if (random.below(2) === 0) bench.start();
  let offered = 0;
  let sent = 0;
  let now = 0;
  for (let i = 0; i < operations; i++) {
    const width = WIDTHS[random.below(WIDTHS.length)] as 8 | 16 | 32;
    const kind = random.below(16);
    if (kind < 5) {
      card.write(0, random.below(33), width, random.value());
    } else if (kind < 7) {
      // Commands that do something.
      card.write(0, 0, 8, [0x22, 0x26, 0x0a, 0x12, 0x1a, 0x21, 0x62, 0xa2][random.below(8)] as number);
    } else if (kind < 11) {
      const value = card.read(0, random.below(33), width);
      if (!(value >= 0 && value < 2 ** width)) throw new Error(`a read of ${width} bits gave ${value}`);
      note(value);
    } else if (kind < 14) {
      const bytes = frames[random.below(frames.length)] as Uint8Array;
      const fcs = random.below(4) === 0 ? random.value() : -1;
      offered++;
      card.receiveErrored(bytes, 0, bytes.length, fcs, 0, random.below(2));
    } else if (kind === 14) {
      now += random.below(200_000);
      card.advance(now);
      if (card.deadline <= now) throw new Error('a deadline lies in the past');
    } else if (random.below(64) === 0) {
      bench.start();
    }
    sent += bench.sent.length;
    for (const { bytes } of bench.sent.splice(0)) note(bytes.length);
    bench.violations.length = 0;
  }
  if (!bench.guardsIntact()) throw new Error('packet memory was left');
  const { counts } = card.stats;
  const judged = counts.reduce((sum, count, i) => sum + (RECEIVED.includes(i) ? count : 0), 0);
  if (judged !== offered) throw new Error(`${offered} frames came, ${judged} are counted`);
  if ((counts[GPTC] as number) !== sent) throw new Error(`${sent} frames left, ${counts[GPTC]} are counted`);
  if ((counts[GPRC] as number) + (counts[MPC] as number) > offered) throw new Error('more taken than came');
  card.settle();
  for (const byte of bench.memory) note(byte);
  note(bench.edges);
  return hash;
}

/** Counters of which every received frame raises exactly one: GPRC, MPC, FILT, CRCERR, ALGNERR, RUNT, RXOFF, BPRC. */
const RECEIVED = [0, 4, 6, 7, 8, 9, 11, 15];

class Lcg {
  private state: number;

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0;
    for (let i = 0; i < 4; i++) this.value();
  }

  /** 32 bits, unsigned. */
  value(): number {
    let x = this.state || 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  below(limit: number): number {
    return Math.floor((this.value() / 2 ** 32) * limit);
  }
}
