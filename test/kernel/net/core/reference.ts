/**
 * Classic BPF once more, from the manual page and with BigInt: slow, plain, and sharing nothing with the kernel's
 * loop but the names of the codes. It also tells whether the program was stopped: by a load that leaves the packet, by
 * a division by 0.
 */
import type { sock_filter } from '../../../../kernel/net/core/filter.ts';

export interface Outcome {
  /** Unsigned. */
  readonly verdict: number;
  /** The program did not come to a RET. */
  readonly stopped: boolean;
}

const WORD = 1n << 32n;

/** By the rules of libpcap's interpreter in user space. */
export function reference(program: readonly sock_filter[], packet: Uint8Array, wirelen = packet.length): Outcome {
  const cells = new Array<bigint>(16).fill(0n);
  let a = 0n;
  let x = 0n;
  const wrap = (value: bigint): bigint => ((value % WORD) + WORD) % WORD;
  const bytes = (at: bigint, count: number): bigint | undefined => {
    if (at + BigInt(count) > BigInt(packet.length)) return undefined;
    let value = 0n;
    for (let i = 0; i < count; i++) value = value * 256n + BigInt(packet[Number(at) + i] as number);
    return value;
  };
  const stopped: Outcome = { verdict: 0, stopped: true };
  for (let pc = 0; ; pc++) {
    const { code, jt, jf, k: signed } = program[pc] as sock_filter;
    const k = BigInt(signed >>> 0);
    const source = (code & 8) !== 0 ? x : k;
    switch (code & 7) {
      case 0:
      case 1: {
        const mode = code & 0xe0;
        const size = { 0: 4, 8: 2, 16: 1 }[code & 0x18] as number;
        let value: bigint | undefined;
        if (mode === 0x00) value = k;
        else if (mode === 0x20) value = bytes(k, size);
        else if (mode === 0x40) value = bytes(x + k, size);
        else if (mode === 0x60) value = cells[Number(k)];
        else if (mode === 0x80) value = BigInt(wirelen);
        else value = bytes(k, 1);
        if (value === undefined) return stopped;
        if (mode === 0xa0) value = 4n * (value & 15n);
        if ((code & 7) === 0) a = value;
        else x = value;
        break;
      }
      case 2:
        cells[Number(k)] = a;
        break;
      case 3:
        cells[Number(k)] = x;
        break;
      case 4:
        switch (code & 0xf0) {
          case 0x00:
            a += source;
            break;
          case 0x10:
            a -= source;
            break;
          case 0x20:
            a *= source;
            break;
          case 0x30:
            if (source === 0n) return stopped;
            a /= source;
            break;
          case 0x40:
            a |= source;
            break;
          case 0x50:
            a &= source;
            break;
          case 0x60:
            a = source > 31n ? 0n : a << source;
            break;
          case 0x70:
            a = source > 31n ? 0n : a >> source;
            break;
          case 0x80:
            a = -a;
            break;
          case 0x90:
            if (source === 0n) return stopped;
            a %= source;
            break;
          case 0xa0:
            a ^= source;
            break;
        }
        a = wrap(a);
        break;
      case 5: {
        const condition = code & 0xf0;
        if (condition === 0) {
          pc += Number(k);
          break;
        }
        const holds =
          condition === 0x10
            ? a === source
            : condition === 0x20
              ? a > source
              : condition === 0x30
                ? a >= source
                : (a & source) !== 0n;
        pc += holds ? jt : jf;
        break;
      }
      case 6:
        return { verdict: Number((code & 0x18) === 0x10 ? a : k), stopped: false };
      default:
        if ((code & 0xf8) === 0x80) a = x;
        else x = a;
    }
  }
}
