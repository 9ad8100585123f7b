/** The rules of time on a CPU: docs/architecture.md, "A CPU". */
import { describe, expect, it } from 'vitest';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM } from '../../../kernel/net/msg.ts';
import type { Cpu } from '../../../kernel/sched/cpu.ts';
import { ERESTARTSYS, type Program, type task_struct } from '../../../kernel/sched/task.ts';
import { prepare_to_wait, wait_queue_head } from '../../../kernel/sched/wait.ts';
import { HI_SOFTIRQ, open_softirq, raise_softirq } from '../../../kernel/softirq.ts';
import { hrtimer } from '../../../kernel/time/hrtimer.ts';
import { bench } from '../host.ts';

/** A program of `slices` system calls, each of which does `work`. */
function* slices(task: task_struct, count: number, work: (i: number) => void): Program {
  for (let i = 0; i < count; i++) {
    yield* task.call.begin(() => {
      work(i);
      return 0;
    });
  }
  return 0;
}

describe('contexts on one CPU', () => {
  it('a slice under way, the next one starts when its cost has passed', () => {
    const b = bench();
    b.kernel.sched.spawn('task', task => slices(task, 3, i => b.work(`slice${i}`, 1000)));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['slice0@0', 'slice1@1000', 'slice2@2000']);
  });

  it('an interrupt inside a slice, runs at its arrival and puts the next slice off by its cost', () => {
    const b = bench();
    b.kernel.sched.spawn('task', task => slices(task, 2, i => b.work(`slice${i}`, 1000)));
    b.interrupt(1, 300, () => b.work('irq', 70));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['slice0@0', 'irq@300', 'slice1@1070']);
  });

  it('an interrupt inside a softirq, the softirq ends that much later, and the task below it too', () => {
    const b = bench();
    let rounds = 0;
    open_softirq(b.kernel, HI_SOFTIRQ, () => {
      b.work(`soft${rounds}`, 500);
      return ++rounds < 2;
    });
    b.kernel.sched.spawn('task', task => slices(task, 2, i => b.work(`slice${i}`, 1000)));
    b.interrupt(1, 100, () => {
      b.work('irq', 10);
      raise_softirq(b.kernel.cpu, HI_SOFTIRQ);
    });
    b.interrupt(2, 200, () => b.work('other', 50));
    b.world.sim.settle(1e6);
    // softirq from 110; stretched by 50 to 660; its second slice to 1160. The task's slice: 1000 + 10 + 50 + 1000.
    expect(b.log).toEqual(['slice0@0', 'irq@100', 'soft0@110', 'other@200', 'soft1@660', 'slice1@2060']);
  });

  it('a softirq raised late in a slice, starts when it was raised and not before', () => {
    const b = bench();
    open_softirq(b.kernel, HI_SOFTIRQ, () => {
      b.work('soft', 100);
      return false;
    });
    b.kernel.sched.spawn('task', task =>
      slices(task, 2, i => {
        b.work(`slice${i}`, 600);
        if (i === 0) raise_softirq(b.kernel.cpu, HI_SOFTIRQ);
        b.kernel.clock.now += 400;
      }),
    );
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['slice0@0', 'soft@600', 'slice1@1100']);
  });

  it('a second interrupt inside a handler, waits for its end', () => {
    const b = bench();
    b.interrupt(1, 100, () => b.work('first', 200));
    b.interrupt(2, 150, () => b.work('second', 10));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['first@100', 'second@300']);
  });

  it('a timer inside a softirq, interrupts it at its own time', () => {
    const b = bench();
    open_softirq(b.kernel, HI_SOFTIRQ, () => {
      b.work('soft', 1000);
      return false;
    });
    const timer = new hrtimer(b.kernel, 'test', () => b.work('timer', 5));
    b.interrupt(1, 100, () => raise_softirq(b.kernel.cpu, HI_SOFTIRQ));
    timer.start(700);
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['soft@100', 'timer@700']);
    expect((b.kernel.cpus[0] as Cpu).soft_end).toBe(1105);
  });

  it('every cost 0, everything at the instant it was asked for', () => {
    const b = bench({ costs: false });
    b.kernel.sched.spawn('task', task => slices(task, 3, i => b.work(`slice${i}`, 0)));
    b.interrupt(1, 50, () => b.work('irq', 0));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['slice0@0', 'slice1@0', 'slice2@0', 'irq@50']);
  });
});

describe('several CPUs', () => {
  it('an interrupt for CPU 1, does not disturb CPU 0', () => {
    const b = bench({ cpus: 2 });
    b.host.intc.setAffinity(1, 1);
    b.kernel.sched.spawn('task', task => slices(task, 2, i => b.work(`slice${i}`, 1000)));
    b.interrupt(1, 300, () => b.work(`irq on cpu${b.kernel.cpu.id}`, 70));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['slice0@0', 'irq on cpu1@300', 'slice1@1000']);
  });

  it('a task that wakes one on another CPU, the other starts at the local time of the wake-up', () => {
    const b = bench({ cpus: 2 });
    const sleeper = b.kernel.sched.spawn(
      'sleeper',
      task =>
        (function* (): Program {
          yield* task.call.begin(() => {
            if (task.call.restarted) {
              b.work('woken', 0);
              return 0;
            }
            task.state = 1;
            return -512;
          });
          return 0;
        })(),
      1,
    );
    b.at(10, () => {
      b.kernel.sched.spawn('waker', task =>
        slices(task, 1, () => {
          b.work('waker', 400);
          b.kernel.sched.try_to_wake_up(sleeper);
          b.kernel.clock.now += 600;
        }),
      );
    });
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['waker@10', 'woken@410']);
  });
});

describe('a task woken by another CPU', () => {
  it('the handler takes 10 µs before it wakes it, does not run before that although its CPU turns', () => {
    const b = bench({ cpus: 2 });
    const queue = new wait_queue_head();
    let ready = false;
    b.kernel.sched.spawn(
      'waiter',
      task =>
        (function* (): Program {
          yield* task.call.begin((self: task_struct) => {
            if (!ready) {
              prepare_to_wait(queue, self);
              return -ERESTARTSYS;
            }
            b.work('waiter', 0);
            return 0;
          });
          return 0;
        })(),
      1,
    );
    // CPU 1 is busy with slices of 500 ns, so that it looks at its run queue all the time.
    b.kernel.sched.spawn('busy', task => slices(task, 1000, () => (b.kernel.clock.now += 500)), 1);
    b.interrupt(5, 100_000, () => {
      b.kernel.clock.now += 10_000;
      ready = true;
      b.log.push(`wake@${b.kernel.clock.now}`);
      queue.wake_up(0);
    });
    b.world.sim.settle(1e6);
    expect(b.log[0]).toBe('wake@110000');
    expect(Number(b.log[1]?.replace('waiter@', ''))).toBeGreaterThanOrEqual(110_000);
  });

  it('killed while it waits for the time of its wake-up, is not woken', () => {
    const b = bench({ cpus: 2 });
    const queue = new wait_queue_head();
    const waiter = b.kernel.sched.spawn(
      'waiter',
      task =>
        (function* (): Program {
          yield* task.call.begin((self: task_struct) => {
            if (self.call.restarted) expect.unreachable();
            prepare_to_wait(queue, self);
            return -ERESTARTSYS;
          });
          return 0;
        })(),
      1,
    );
    b.interrupt(5, 100, () => {
      b.kernel.clock.now += 1000;
      queue.wake_up(0);
    });
    b.at(500, () => b.kernel.sched.do_exit(waiter, 137, null));
    b.world.sim.settle(1e6);
    expect(b.kernel.sched.tasks.has(waiter.pid)).toBe(false);
  });
});

describe('two tasks on one CPU, every cost 0', () => {
  it('one that yields, lets the other one run', () => {
    const b = bench({ costs: false });
    let other = false;
    let rounds = 0;
    b.host.spawn('polite', function* (sys) {
      while (!other && rounds < 1000) {
        rounds++;
        yield* sys.sched_yield();
      }
      return 0;
    });
    b.host.spawn('other', function* (sys) {
      yield* sys.getpid();
      other = true;
      return 0;
    });
    b.world.sim.run(1e9);
    expect(other).toBe(true);
    expect(rounds).toBeLessThan(1000);
  });

  it('one that polls a socket without ever waiting, lets the sender run', () => {
    const b = bench({ costs: false });
    let got = false;
    b.host.spawn('poller', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, sys.sockaddr(0, 7));
      const buffer = sys.mmap(64);
      for (let i = 0; i < 100_000 && !got; i++) got = (yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)) >= 0;
      return 0;
    });
    b.host.spawn('sender', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.sendto(fd, sys.mmap(64), 10, 0, sys.sockaddr(0x7f000001, 7));
      return 0;
    });
    b.world.sim.run(1e9);
    expect(got).toBe(true);
  });
});

describe('softirq overload', () => {
  it('a softirq that raises itself for ever, left to ksoftirqd as soon as a task waits, and the task gets on', () => {
    const b = bench();
    let left = 40;
    open_softirq(b.kernel, HI_SOFTIRQ, cpu => {
      b.work('soft', 100);
      if (--left > 0) raise_softirq(cpu, HI_SOFTIRQ);
      return false;
    });
    b.interrupt(1, 0, () => raise_softirq(b.kernel.cpu, HI_SOFTIRQ));
    b.at(250, () => b.kernel.sched.spawn('task', task => slices(task, 5, i => b.work(`slice${i}`, 100))));
    b.world.sim.settle(1e8);
    expect(left).toBe(0);
    const order = b.log.map(line => line.replace(/@.*/, ''));
    // The task comes in the third round; the fourth one finds it waiting and is the session's last.
    expect(order.indexOf('slice0')).toBe(4);
    expect(order.filter(name => name.startsWith('slice'))).toHaveLength(5);
    expect(order.lastIndexOf('slice4')).toBeLessThan(order.lastIndexOf('soft'));
  });

  it('a softirq that raises itself and no task, left to ksoftirqd after ten rounds', () => {
    const b = bench();
    let left = 25;
    const levels: string[] = [];
    open_softirq(b.kernel, HI_SOFTIRQ, cpu => {
      levels.push(cpu.ksoftirqd_session ? 'k' : 'i');
      if (--left > 0) raise_softirq(cpu, HI_SOFTIRQ);
      return false;
    });
    b.interrupt(1, 0, () => raise_softirq(b.kernel.cpu, HI_SOFTIRQ));
    b.world.sim.settle(1e8);
    expect(levels.join('')).toBe('i'.repeat(10) + 'k'.repeat(15));
  });

  it('interrupts faster than their cost, no task ever gets on', () => {
    const b = bench();
    b.kernel.sched.spawn('task', task => slices(task, 100, i => b.work(`slice${i}`, 1000)));
    for (let t = 100; t < 100_000; t += 100) b.interrupt(1, t, () => b.work('irq', 100));
    b.world.sim.run(100_000);
    expect(b.log.filter(line => line.startsWith('slice'))).toEqual(['slice0@0']);
    expect((b.kernel.cpus[0] as Cpu).times.hardirq).toBeGreaterThan(99_000);
  });
});
