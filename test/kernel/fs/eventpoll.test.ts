import { describe, expect, test } from 'vitest';
import { EBADF, EEXIST, EFAULT, EINVAL, ELOOP, ENOENT } from '../../../kernel/errno.ts';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  epoll_event,
  sys_epoll_wait,
} from '../../../kernel/fs/eventpoll.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, sockaddr_in } from '../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../net/bench.ts';

type Step<T> = Generator<undefined, T, undefined>;

/** A UDP socket on `port`, an epoll instance that watches it for `events`, and something that sends to it. */
class Watch {
  readonly sys: Syscalls;
  readonly events = Array.from({ length: 8 }, () => new epoll_event());
  readonly to: sockaddr_in;
  fd = -1;
  ep = -1;
  sender = -1;
  buffer = 0;

  constructor(sys: Syscalls, port: number) {
    this.sys = sys;
    this.to = new sockaddr_in(LOCALHOST, port);
  }

  *open(events: number): Step<void> {
    const { sys } = this;
    this.fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(this.fd, this.to);
    this.sender = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    this.buffer = sys.mmap(64);
    this.ep = yield* sys.epoll_create1(0);
    expect(yield* this.control(EPOLL_CTL_ADD, events)).toBe(0);
  }

  *control(op: number, events: number, data = this.fd): Step<number> {
    return yield* this.sys.epoll_ctl(this.ep, op, this.fd, new epoll_event(events, data));
  }

  *send(): Step<void> {
    expect(yield* this.sys.sendto(this.sender, this.buffer, 1, 0, this.to)).toBe(1);
  }

  *receive(): Step<number> {
    return yield* this.sys.recv(this.fd, this.buffer, 64, MSG_DONTWAIT);
  }

  *wait(timeout = 0): Step<number> {
    return yield* this.sys.epoll_wait(this.ep, this.events, this.events.length, timeout);
  }
}

function run(body: (sys: Syscalls) => Step<void>): void {
  const bench = socketBench();
  bench.program(body);
  expect(bench.finish()).toEqual([]);
}

describe('epoll_wait', () => {
  test('level triggered: reports as long as there is something to read', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      expect(yield* w.wait()).toBe(0);
      yield* w.send();
      yield* w.send();
      for (let i = 0; i < 2; i++) {
        expect(yield* w.wait()).toBe(1);
        expect([w.events[0]?.events, w.events[0]?.data]).toEqual([EPOLLIN, w.fd]);
        yield* w.receive();
      }
      expect(yield* w.wait()).toBe(0);
    });
  });

  test('edge triggered: reports each arrival once, whether or not it is read', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN | EPOLLET);
      yield* w.send();
      expect(yield* w.wait()).toBe(1);
      expect(yield* w.wait()).toBe(0);
      yield* w.send();
      expect(yield* w.wait()).toBe(1);
      expect(yield* w.wait()).toBe(0);
      // A modification looks again.
      yield* w.control(EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
      expect(yield* w.wait()).toBe(1);
    });
  });

  test('one-shot: deaf after the first report, until it is armed again', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN | EPOLLONESHOT);
      yield* w.send();
      expect(yield* w.wait()).toBe(1);
      yield* w.send();
      expect(yield* w.wait()).toBe(0);
      yield* w.control(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
      expect(yield* w.wait()).toBe(1);
    });
  });

  test('ready before it was added: reported; an error is reported unasked', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLOUT);
      expect(yield* w.wait()).toBe(1);
      expect(w.events[0]?.events).toBe(EPOLLOUT);
      yield* w.control(EPOLL_CTL_MOD, 0);
      yield* sys.connect(w.fd, new sockaddr_in(LOCALHOST, 9));
      yield* sys.send(w.fd, w.buffer, 1, 0);
      expect(yield* w.wait(1000)).toBe(1);
      expect(w.events[0]?.events).toBe(EPOLLERR);
    });
  });

  test('blocks until an event comes, or the time is up to the ns', () => {
    const bench = socketBench();
    const { clock } = bench.kernel;
    const log: string[] = [];
    bench.spawn(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      log.push(`${yield* w.wait(3)}@${clock.now}`);
      log.push(`${yield* w.wait(-1)}@${clock.now}`);
      return 0;
    });
    bench.spawn(function* (sys) {
      const w = new Watch(sys, 8);
      yield* w.open(EPOLLIN);
      yield* sys.nanosleep(7_000_000);
      yield* sys.sendto(w.sender, w.buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
      return 0;
    });
    bench.run();
    expect(log).toEqual(['0@3000000', '1@7000000']);
    expect(bench.finish()).toEqual([]);
  });

  test('more ready than asked for: the others come next, each in turn', () => {
    run(function* (sys) {
      const ep = yield* sys.epoll_create1(0);
      const buffer = sys.mmap(64);
      for (let i = 0; i < 5; i++) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 10 + i));
        yield* sys.epoll_ctl(ep, EPOLL_CTL_ADD, fd, new epoll_event(EPOLLIN, i));
      }
      const sender = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      for (let i = 0; i < 5; i++) yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(LOCALHOST, 10 + i));
      const events = [new epoll_event(), new epoll_event()];
      const seen: number[] = [];
      for (let i = 0; i < 5; i++) {
        expect(yield* sys.epoll_wait(ep, events, 2, 0)).toBe(2);
        seen.push(...events.map(event => event.data));
      }
      expect(seen).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    });
  });
});

describe('epoll_ctl', () => {
  test('errors', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      expect(yield* w.control(EPOLL_CTL_ADD, EPOLLIN)).toBe(-EEXIST);
      expect(yield* w.control(EPOLL_CTL_DEL, 0)).toBe(0);
      expect(yield* w.control(EPOLL_CTL_DEL, 0)).toBe(-ENOENT);
      expect(yield* w.control(EPOLL_CTL_MOD, EPOLLIN)).toBe(-ENOENT);
      expect(yield* w.control(9, EPOLLIN)).toBe(-EINVAL);
      const event = new epoll_event(EPOLLIN);
      for (const op of [EPOLL_CTL_ADD, EPOLL_CTL_MOD, 9]) {
        expect(yield* sys.epoll_ctl(w.ep, op, w.fd, null)).toBe(-EFAULT);
        expect(yield* sys.epoll_ctl(w.ep, op, 99, null)).toBe(-EFAULT);
      }
      expect(yield* sys.epoll_ctl(w.ep, EPOLL_CTL_DEL, w.fd, null)).toBe(-ENOENT);
      expect(yield* sys.epoll_ctl(w.ep, EPOLL_CTL_ADD, 99, event)).toBe(-EBADF);
      expect(yield* sys.epoll_ctl(99, EPOLL_CTL_ADD, w.fd, event)).toBe(-EBADF);
      expect(yield* sys.epoll_ctl(w.fd, EPOLL_CTL_ADD, w.ep, event)).toBe(-EINVAL);
      expect(yield* sys.epoll_ctl(w.ep, EPOLL_CTL_ADD, w.ep, event)).toBe(-EINVAL);
      expect(yield* sys.epoll_wait(w.fd, w.events, 1, 0)).toBe(-EINVAL);
      expect(yield* sys.epoll_wait(w.ep, w.events, 0, 0)).toBe(-EINVAL);
      expect(yield* sys.epoll_create1(1)).toBe(-EINVAL);
      expect(yield* w.control(EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT)).toBe(-EINVAL);
      expect(yield* w.control(EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE)).toBe(0);
      expect(yield* w.control(EPOLL_CTL_MOD, EPOLLIN)).toBe(-EINVAL);
    });
  });

  test('a closed file is forgotten; one that lives on under another descriptor is not', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      const dup = yield* sys.dup(w.fd);
      yield* sys.close(w.fd);
      yield* w.send();
      expect(yield* w.wait()).toBe(1);
      yield* sys.close(dup);
      expect(yield* w.wait()).toBe(0);
    });
  });

  test('nested: the outer instance is ready when the inner one is; circles are refused', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      const outer = yield* sys.epoll_create1(0);
      expect(yield* sys.epoll_ctl(outer, EPOLL_CTL_ADD, w.ep, new epoll_event(EPOLLIN, 42))).toBe(0);
      expect(yield* sys.epoll_ctl(w.ep, EPOLL_CTL_ADD, outer, new epoll_event(EPOLLIN))).toBe(-ELOOP);
      expect(yield* sys.epoll_wait(outer, w.events, 1, 0)).toBe(0);
      yield* w.send();
      expect(yield* sys.epoll_wait(outer, w.events, 1, -1)).toBe(1);
      expect(w.events[0]?.data).toBe(42);
      yield* w.receive();
      expect(yield* sys.epoll_wait(outer, w.events, 1, 0)).toBe(0);
    });
  });
});

describe('instances that watch each other', () => {
  /** Which of the instances is to watch which, one after the other; what epoll_ctl says to each. */
  function build(count: number, edges: [outer: number, inner: number][]): number[] {
    const results: number[] = [];
    run(function* (sys) {
      const fds: number[] = [];
      for (let i = 0; i < count; i++) fds.push(yield* sys.epoll_create1(0));
      for (const [outer, inner] of edges) {
        const event = new epoll_event(EPOLLIN);
        results.push(yield* sys.epoll_ctl(fds[outer] as number, EPOLL_CTL_ADD, fds[inner] as number, event));
      }
    });
    return results;
  }
  const chain: [number, number][] = [0, 1, 2, 3, 4, 5].map(i => [i, i + 1]);

  test.each([
    ['from the top', chain],
    ['from the bottom', chain.toReversed()],
  ])('a chain built %s: four in a row may watch, the fifth link is refused', (_name, edges) => {
    expect(build(7, edges)).toEqual([0, 0, 0, 0, -ELOOP, 0]);
  });

  test('two chains that are joined in the middle: refused when they are too long together', () => {
    expect(
      build(7, [
        [0, 1],
        [1, 2],
        [3, 4],
        [4, 5],
        [2, 3],
        [2, 4],
      ]),
    ).toEqual([0, 0, 0, 0, -ELOOP, 0]);
  });

  test('a circle over several: refused', () => {
    expect(
      build(4, [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 0],
        [2, 0],
      ]),
    ).toEqual([0, 0, 0, -ELOOP, -ELOOP]);
  });

  test('many ways to the same instance: each looked at once', () => {
    // Five layers of 30, each of a layer watching all of the next: 30 to the fourth ways.
    const edges: [number, number][] = [];
    for (let layer = 0; layer < 4; layer++) {
      for (let i = 0; i < 30; i++) for (let j = 0; j < 30; j++) edges.push([layer * 30 + i, (layer + 1) * 30 + j]);
    }
    expect(new Set(build(150, edges))).toEqual(new Set([0]));
  });

  test('an event with too many ways to the top: the one too many is refused, and is not there afterwards', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      const results: number[] = [];
      let last = -1;
      // Ways of two instances' length: path_limits allows 500 of them.
      for (let i = 0; i < 502; i++) {
        last = yield* sys.epoll_create1(0);
        results.push(yield* sys.epoll_ctl(last, EPOLL_CTL_ADD, w.ep, new epoll_event(EPOLLIN)));
      }
      expect(results.slice(0, 500).every(result => result === 0)).toBe(true);
      expect(results.slice(500)).toEqual([-EINVAL, -EINVAL]);
      expect(yield* sys.epoll_ctl(last, EPOLL_CTL_DEL, w.ep, null)).toBe(-ENOENT);
      // A file of its own has but one way.
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      expect(yield* sys.epoll_ctl(last, EPOLL_CTL_ADD, fd, new epoll_event(EPOLLIN))).toBe(0);
    });
  });

  test('an event at the bottom of a chain: whoever waits at its top wakes', () => {
    run(function* (sys) {
      const w = new Watch(sys, 7);
      yield* w.open(EPOLLIN);
      let top = w.ep;
      for (let i = 0; i < 4; i++) {
        const outer = yield* sys.epoll_create1(0);
        expect(yield* sys.epoll_ctl(outer, EPOLL_CTL_ADD, top, new epoll_event(EPOLLIN, i))).toBe(0);
        top = outer;
      }
      expect(yield* sys.epoll_wait(top, w.events, 1, 0)).toBe(0);
      yield* w.send();
      expect(yield* sys.epoll_wait(top, w.events, 1, -1)).toBe(1);
      expect(w.events[0]?.data).toBe(3);
    });
  });
});

test('EPOLLEXCLUSIVE: of several instances on one socket, one is woken for each arrival', () => {
  const bench = socketBench();
  const woken: number[] = [];
  bench.spawn(function* (sys) {
    const w = new Watch(sys, 7);
    yield* w.open(0);
    const waiters: number[] = [];
    for (let i = 0; i < 3; i++) {
      const ep = yield* sys.epoll_create1(0);
      yield* sys.epoll_ctl(ep, EPOLL_CTL_ADD, w.fd, new epoll_event(EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, i));
      waiters.push(ep);
    }
    // Tasks share no descriptors here: the open files are handed over by hand.
    for (const [i, ep] of waiters.entries()) {
      bench.kernel.sched.spawn('waiter', task => {
        const open = sys.task.files.get(ep);
        if (open === null) throw new Error('no instance');
        open.f_count++;
        const fd = task.files.install(open);
        return (function* () {
          const events = [new epoll_event()];
          const n = yield* task.call.begin(sys_epoll_wait, fd, events, 1, -1);
          if (n === 1) woken.push(i);
          return 0;
        })();
      });
    }
    yield* sys.nanosleep(1000);
    yield* w.send();
    yield* sys.nanosleep(1000);
    expect(woken.length).toBe(1);
    yield* w.send();
    yield* sys.nanosleep(1000);
    expect(woken.length).toBe(2);
    return 0;
  });
  bench.run(1_000_000);
  expect(new Set(woken).size).toBe(2);
  expect(bench.finish()).toEqual([]);
});
