/** The border between programs and the kernel: what is thrown on which side of it. */
import { expect, it } from 'vitest';
import { assert } from '../../kernel/lib/assert.ts';
import { bench } from './host.ts';

it('a bug of the kernel in a system call, ends the run and is not the program’s to catch', () => {
  const { world, host, kernel } = bench({ costs: false });
  const after: string[] = [];
  kernel.trace.udp_sendmsg = () => assert(false, 'a kernel bug');
  host.spawn('p', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    try {
      yield* sys.sendto(fd, sys.mmap(64), 1, 0, sys.sockaddr(0x7f000001, 7));
      after.push('returned');
    } catch {
      after.push('caught');
    } finally {
      after.push('finally');
    }
    return 0;
  });
  expect(() => world.sim.run(1e6)).toThrow('a kernel bug');
  expect(after).toEqual([]);
  expect(world.findings).toEqual([]);
});

it('a bug of the kernel after the call had to wait, the same', () => {
  const { world, host, kernel } = bench({ costs: false });
  const after: string[] = [];
  host.spawn('p', function* (sys) {
    try {
      yield* sys.nanosleep(1000);
    } catch {
      after.push('caught');
    }
    return 0;
  });
  kernel.trace.sys_exit = () => assert(false, 'a kernel bug');
  expect(() => world.sim.run(1e6)).toThrow('a kernel bug');
  expect(world.sim.time).toBe(1000);
  expect(after).toEqual([]);
});

it('an error that the program throws itself, ends the program and is reported', () => {
  const { world, host } = bench({ costs: false });
  host.spawn('p', function* (sys) {
    yield* sys.getpid();
    throw new Error('my own');
  });
  world.sim.run(1e6);
  expect(world.finish().map(({ message }) => message)).toEqual(['host: p ended by Error: my own']);
});
