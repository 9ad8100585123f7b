/** What every socket has in common: waiting and being woken, its options, its books. */
import { describe, expect, test } from 'vitest';
import { EAGAIN, EDOM, ENETUNREACH } from '../../../../kernel/errno.ts';
import {
  SO_DEBUG,
  SO_DONTROUTE,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_RCVTIMEO,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import {
  AF_INET,
  AF_PACKET,
  cmsg,
  MSG_DONTROUTE,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import { pair, RIGHT } from '../../../pair.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

describe('a receive that waits', () => {
  test('SO_RCVTIMEO of 10 ms on a host whose wheel has a far timer, gives up after 10 ms and a tick or two', () => {
    const { left, run } = pair();
    let waited = 0;
    let result = 0;
    left.spawn('p', function* (sys) {
      yield* sys.nanosleep(4_000_000_000);
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, new sockaddr_in(0, 7));
      const timeout = new sockopt();
      timeout.usec = 10_000;
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
      const start = sys.kernel.clock.now;
      result = yield* sys.recv(fd, sys.mmap(64), 64, 0);
      waited = sys.kernel.clock.now - start;
      return 0;
    });
    run(10e9);
    expect(result).toBe(-EAGAIN);
    expect(waited).toBeGreaterThanOrEqual(10e6);
    expect(waited).toBeLessThanOrEqual(12e6);
  });

  test('the completion of what its own socket sent, does not wake it', () => {
    const { left, run } = pair({ costs: true });
    let wakes = 0;
    left.spawn('p', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const buffer = sys.mmap(64);
      // Nobody listens there; an unconnected socket does not hear of it.
      yield* sys.sendto(fd, buffer, 10, 0, new sockaddr_in(RIGHT, 7));
      left.kernel.trace.sched_wakeup = task => {
        if (task.comm === 'p') wakes++;
      };
      yield* sys.recv(fd, buffer, 64, 0);
      return 0;
    });
    run(50e6);
    expect(wakes).toBe(0);
  });
});

describe('options', () => {
  test.each([
    ['UDP', AF_INET, SOCK_DGRAM],
    ['AF_PACKET', AF_PACKET, SOCK_RAW],
  ])('those that mean nothing to %s, taken and read back all the same', (_name, family, type) => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* sys.socket(family, type, 0);
      const opt = new sockopt();
      for (const option of [SO_DEBUG, SO_DONTROUTE, SO_KEEPALIVE, SO_LINGER]) {
        for (const value of [1, 0]) {
          opt.value = value;
          opt.sec = 30;
          expect(yield* sys.setsockopt(fd, SOL_SOCKET, option, opt)).toBe(0);
          opt.value = 77;
          expect(yield* sys.getsockopt(fd, SOL_SOCKET, option, opt)).toBe(0);
          expect(opt.value).toBe(value);
        }
      }
      // l_linger outlives l_onoff.
      expect(opt.sec).toBe(30);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('SO_DONTROUTE or MSG_DONTROUTE: the link is reached, what lies behind a gateway is not', () => {
    const { left, leftDev, run, finish } = pair();
    left.exec(() =>
      ip_route_add(left.kernel.init_net, { dst: 0x0b000000, prefix_len: 8, dev: leftDev, gateway: RIGHT }),
    );
    const results: number[] = [];
    left.spawn('p', function* (sys) {
      const buffer = sys.mmap(64);
      const near = new sockaddr_in(RIGHT, 7);
      const far = new sockaddr_in(0x0b000001, 7);
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      for (const flags of [0, MSG_DONTROUTE]) {
        for (const to of [near, far]) results.push(yield* sys.sendto(fd, buffer, 1, flags, to));
      }
      const on = new sockopt();
      on.value = 1;
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_DONTROUTE, on);
      results.push(yield* sys.sendto(fd, buffer, 1, 0, far), yield* sys.connect(fd, far), yield* sys.connect(fd, near));
      return 0;
    });
    run(1e9);
    expect(results).toEqual([1, 1, 1, -ENETUNREACH, -ENETUNREACH, -ENETUNREACH, 0]);
    expect(finish()).toEqual([]);
  });

  test('timeouts: what is no time is refused, what the clock cannot say is for ever', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const set = (sec: number, usec: number) => {
        const opt = new sockopt();
        opt.sec = sec;
        opt.usec = usec;
        return sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, opt);
      };
      for (const [sec, usec] of [
        [0, -1],
        [0, 1_000_000],
        [0, Number.NaN],
        [Number.NaN, 0],
      ] as const)
        expect(yield* set(sec, usec)).toBe(-EDOM);
      const read = new sockopt();
      for (const sec of [Infinity, Number.MAX_SAFE_INTEGER, 9_000_000]) {
        expect(yield* set(sec, 0)).toBe(0);
        yield* sys.getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, read);
        expect([read.sec, read.usec]).toEqual([0, 0]);
      }
      expect(yield* set(86_400, 5)).toBe(0);
      yield* sys.getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, read);
      expect([read.sec, read.usec]).toEqual([86_400, 5]);
    });
    expect(bench.finish()).toEqual([]);
  });
});

describe('recvmsg', () => {
  test('an error: flags and control messages are as they were', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 7));
      const hdr = new user_msghdr();
      hdr.base = sys.mmap(64);
      hdr.length = 1;
      hdr.control = new cmsg();
      yield* sys.sendto(fd, hdr.base, 10, 0, new sockaddr_in(LOCALHOST, 7));
      expect(yield* sys.recvmsg(fd, hdr, 0)).toBe(1);
      expect([hdr.flags, hdr.control.present]).toEqual([MSG_TRUNC, 0]);
      hdr.control.present = 99;
      expect(yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT)).toBe(-EAGAIN);
      expect([hdr.flags, hdr.control.present]).toEqual([MSG_TRUNC, 99]);
    });
    expect(bench.finish()).toEqual([]);
  });
});
