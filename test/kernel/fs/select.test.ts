import { describe, expect, test } from 'vitest';
import { EBADF, EINVAL } from '../../../kernel/errno.ts';
import { epoll_event } from '../../../kernel/fs/eventpoll.ts';
import { fd_set, POLLIN, POLLOUT, pollfd } from '../../../kernel/fs/select.ts';
import { AF_INET, SOCK_DGRAM, sockaddr_in } from '../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../net/bench.ts';
import { udp } from '../net/user.ts';

test('poll waits for any of several sockets, or until the time is up to the ns', () => {
  const bench = socketBench();
  const { clock } = bench.kernel;
  const log: string[] = [];
  bench.spawn(function* (sys) {
    const fds: pollfd[] = [];
    for (let i = 0; i < 3; i++) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 10 + i));
      fds.push(new pollfd(fd, POLLIN));
    }
    log.push(`${yield* sys.poll(fds, 3, 2)}@${clock.now}`);
    log.push(`${yield* sys.poll(fds, 3, -1)}@${clock.now} ${fds.map(entry => entry.revents)}`);
    log.push(`${yield* sys.poll(fds, 4, 0)}`);
    // Nothing but a timer.
    log.push(`${yield* sys.poll(fds, 0, 4)}@${clock.now}`);
    return 0;
  });
  bench.spawn(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.nanosleep(5_000_001);
    yield* sys.sendto(fd, sys.mmap(64), 1, 0, new sockaddr_in(LOCALHOST, 11));
    return 0;
  });
  bench.run();
  expect(log).toEqual(['0@2000000', `1@5000001 0,${POLLIN},0`, `${-EINVAL}`, '0@9000001']);
  expect(bench.finish()).toEqual([]);
});

test('killed in a poll: its entries are off the wait queues', () => {
  const bench = socketBench();
  let socket = -1;
  bench.spawn(function* (sys) {
    socket = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(socket, new sockaddr_in(LOCALHOST, 7));
    yield* sys.poll([new pollfd(socket, POLLIN)], 1, -1);
    return 0;
  });
  bench.run(1000);
  const [sk] = [...bench.kernel.init_net.ipv4.udp.sockets()];
  expect(sk?.sk_wq.active()).toBe(true);
  bench.kernel.exec(() => bench.kernel.sched.kill_all());
  expect(sk?.sk_wq.active()).toBe(false);
  expect(bench.finish()).toEqual([]);
});

test('nanosleep sleeps as long as it says', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const start = bench.kernel.clock.now;
    expect(yield* sys.nanosleep(1_234_567)).toBe(0);
    expect(bench.kernel.clock.now - start).toBe(1_234_567);
    expect(yield* sys.nanosleep(-1)).toBe(-EINVAL);
    expect(yield* sys.nanosleep(0)).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});

test('a time that is no number is refused; one that the clock cannot say is for ever', () => {
  const bench = socketBench();
  const { world } = bench;
  bench.program(function* (sys) {
    const ep = yield* sys.epoll_create1(0);
    for (const time of [Number.NaN, Infinity]) {
      expect(yield* sys.nanosleep(time)).toBe(-EINVAL);
      expect(yield* sys.poll([], 0, time)).toBe(-EINVAL);
      expect(yield* sys.epoll_wait(ep, [new epoll_event()], 1, time)).toBe(-EINVAL);
    }
  });
  const calls = [
    (sys: Syscalls) => sys.nanosleep(Number.MAX_VALUE),
    (sys: Syscalls) => sys.poll([], 0, Number.MAX_SAFE_INTEGER),
    (sys: Syscalls) => sys.nanosleep(Number.MAX_SAFE_INTEGER),
  ];
  for (const call of calls)
    bench.spawn(function* (sys) {
      yield* call(sys);
      return expect.unreachable();
    });
  world.sim.run(1e15);
  expect(world.sim.next()).toBe(Infinity);
  expect(bench.finish()).toEqual([]);
});

describe('select', () => {
  test('readable, writable and neither: what is ready stays in the sets, and is counted bit by bit', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const ready = yield* udp(sys, 7);
      const idle = yield* udp(sys, 8);
      yield* sys.sendto(idle, 0, 0, 0, new sockaddr_in(LOCALHOST, 7));
      const read = new fd_set();
      const write = new fd_set();
      for (const fd of [ready, idle]) read.set(fd);
      write.set(idle);
      expect(yield* sys.select(idle + 1, read, write, null, -1)).toBe(2);
      expect([read.has(ready), read.has(idle), write.has(idle)]).toEqual([true, false, true]);
      // Only descriptors below nfds are looked at.
      expect(yield* sys.select(0, read, write, null, 0)).toBe(0);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('a closed descriptor: EBADF, and the sets as they were; a bad count: EINVAL', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      const read = new fd_set();
      read.set(fd);
      read.set(fd + 1);
      expect(yield* sys.select(fd + 2, read, null, null, 0)).toBe(-EBADF);
      expect([read.has(fd), read.has(fd + 1)]).toEqual([true, true]);
      expect(yield* sys.select(-1, read, null, null, 0)).toBe(-EINVAL);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('nothing ready: waits for its timeout, and then has empty sets; a datagram ends the wait', () => {
    const bench = socketBench();
    const { clock } = bench.kernel;
    const log: unknown[] = [];
    bench.spawn(function* (sys) {
      const fd = yield* udp(sys, 7);
      const read = new fd_set();
      read.set(fd);
      let start = clock.now;
      log.push(yield* sys.select(fd + 1, read, null, null, 250_000), read.has(fd), clock.now - start);
      read.set(fd);
      start = clock.now;
      log.push(yield* sys.select(fd + 1, read, null, null, -1), read.has(fd), clock.now - start);
      const fds = [new pollfd(fd, POLLOUT), new pollfd(fd, POLLIN)];
      log.push(yield* sys.ppoll(fds, 2, 1));
      return 0;
    });
    bench.spawn(function* (sys) {
      const fd = yield* udp(sys);
      yield* sys.nanosleep(1_250_000);
      yield* sys.sendto(fd, 0, 0, 0, new sockaddr_in(LOCALHOST, 7));
      return 0;
    });
    bench.run();
    expect(log).toEqual([0, false, 250_000, 1, true, 1_000_000, 2]);
    expect(bench.finish()).toEqual([]);
  });
});
