import { expect, test } from 'vitest';
import { sockaddr_in } from '../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from './net/bench.ts';

test('udp over lo', () => {
  const b = socketBench();
  const r = b.program(function* (sys) {
    const a = yield* sys.socket(2, 2, 0);
    const c = yield* sys.socket(2, 2, 0);
    expect(yield* sys.bind(a, new sockaddr_in(LOCALHOST, 7))).toBe(0);
    const buf = sys.mmap(2048);
    b.kernel.ram.u8.set([1, 2, 3, 4], buf);
    expect(yield* sys.sendto(c, buf, 4, 0, new sockaddr_in(LOCALHOST, 7))).toBe(4);
    const from = new sockaddr_in();
    const n = yield* sys.recvfrom(a, buf + 100, 1000, 0, from);
    return [n, from.sin_addr, from.sin_port > 32767, ...b.kernel.ram.u8.slice(buf + 100, buf + 104)];
  });
  expect(r).toEqual([4, LOCALHOST, true, 1, 2, 3, 4]);
  expect(b.finish()).toEqual([]);
});
