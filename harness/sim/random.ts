/**
 * Chance from one seed: a named stream for each consumer, so that a new draw in one place moves no other. The
 * generator is sfc32 (Doty-Humphrey's PractRand), seeded by splitmix32 over the seed and the stream's name.
 */
import type { RandomStream } from '../../kernel/arch.ts';

/** The finaliser of splitmix32: every bit of the input moves about half of the output's. */
function spread(value: number): number {
  let z = value ^ (value >>> 16);
  z = Math.imul(z, 0x21f0aaad);
  z ^= z >>> 15;
  z = Math.imul(z, 0x735a2d97);
  return z ^ (z >>> 15);
}

export class Random implements RandomStream {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, name: string) {
    // The seed is spread over all bits before the name is mixed in: (1, 'b') and (2, 'a') must not meet.
    let h = spread((seed | 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1));
    for (let i = 0; i < name.length; i++) h = spread(h ^ name.charCodeAt(i)) + i;
    const next = (): number => {
      h = (h + 0x9e3779b9) | 0;
      return spread(h);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    for (let i = 0; i < 12; i++) this.u32();
  }

  u32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    this.c |= 0;
    return t >>> 0;
  }

  /** A number in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound);
  }

  /** True with probability `p`. Draws even when `p` is 0 or 1, so that a change of `p` moves no later draw. */
  chance(p: number): boolean {
    return this.u32() / 2 ** 32 < p;
  }
}

/** All streams of a run. */
export class Chance {
  readonly seed: number;
  private readonly streams = new Map<string, Random>();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The stream of that name: the same object every time. */
  stream(name: string): Random {
    let stream = this.streams.get(name);
    if (stream === undefined) {
      stream = new Random(this.seed, name);
      this.streams.set(name, stream);
    }
    return stream;
  }
}
