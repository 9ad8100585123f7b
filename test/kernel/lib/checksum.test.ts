import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { internetChecksum } from '../../../harness/packet/checksum.ts';
import { Arena } from '../../../harness/sim/arena.ts';
import { csum_fold, csum_partial, csum_tcpudp_nofold, ip_fast_csum, put_csum } from '../../../kernel/lib/checksum.ts';

const ram = Arena.take(65536).ram(16384);

/** The checksum as it would stand in a packet, most significant byte first. */
function stored(at: number, length: number, sum = 0): number {
  put_csum(ram, ram.base + 8192, csum_fold(csum_partial(ram, at, length, sum)));
  return ram.dv.getUint16(ram.base + 8192);
}

describe('csum_partial', () => {
  it('any bytes at any alignment, the same as summing them word by word', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1600 }), fc.nat(7), (bytes, offset) => {
        const at = ram.base + offset;
        ram.u8.set(bytes, at);
        expect(stored(at, bytes.length)).toBe(internetChecksum(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('64 KiB of all-ones, no carry lost', () => {
    const bytes = new Uint8Array(8000).fill(0xff);
    ram.u8.set(bytes, ram.base);
    expect(stored(ram.base, bytes.length)).toBe(internetChecksum(bytes));
  });

  it('a sum in two parts, the same as in one', () => {
    const bytes = new Uint8Array(1000).map((_, i) => i * 7);
    ram.u8.set(bytes, ram.base);
    const first = csum_partial(ram, ram.base, 400, 0);
    expect(stored(ram.base + 400, 600, first)).toBe(internetChecksum(bytes));
  });
});

describe('the pseudo header', () => {
  it('addresses above 127.255.255.255 (negative as int32), summed like their bytes', () => {
    const saddr = 0xc0a80001 | 0;
    const daddr = 0xfffefdfc | 0;
    const header = new Uint8Array([0xc0, 0xa8, 0, 1, 0xff, 0xfe, 0xfd, 0xfc, 0, 17, 0x01, 0x23]);
    put_csum(ram, ram.base, csum_fold(csum_tcpudp_nofold(saddr, daddr, 0x123, 17)));
    expect(ram.dv.getUint16(ram.base)).toBe(internetChecksum(header));
  });
});

describe('ip_fast_csum', () => {
  it.each([0, 1, 2])('a header with its checksum at alignment %i, sums to 0', offset => {
    const header = new Uint8Array([0x45, 0, 0, 84, 0x12, 0x34, 0x40, 0, 64, 1, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2]);
    const sum = internetChecksum(header);
    header[10] = sum >> 8;
    header[11] = sum & 0xff;
    ram.u8.set(header, ram.base + offset);
    expect(ip_fast_csum(ram, ram.base + offset, 5)).toBe(0);
    ram.u8[ram.base + offset + 8] = 63;
    expect(ip_fast_csum(ram, ram.base + offset, 5)).not.toBe(0);
  });
});
