import { expect, test } from 'vitest';
import { EINVAL } from '../../../kernel/errno.ts';
import { epoll_event } from '../../../kernel/fs/eventpoll.ts';
import { POLLIN, pollfd } from '../../../kernel/fs/select.ts';
import { AF_INET, SOCK_DGRAM, sockaddr_in } from '../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../net/bench.ts';

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
