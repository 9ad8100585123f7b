/** What every socket has in common: waiting and being woken, its options, its books. */
import { describe, expect, it } from 'vitest';
import { EAGAIN } from '../../../../kernel/errno.ts';
import { SO_RCVTIMEO, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { AF_INET, SOCK_DGRAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import { pair, RIGHT } from '../../../pair.ts';

describe('a receive that waits', () => {
  it('SO_RCVTIMEO of 10 ms on a host whose wheel has a far timer, gives up after 10 ms and a tick or two', () => {
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

  it('the completion of what its own socket sent, does not wake it', () => {
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
