/** The rules of time on a CPU: docs/architecture.md, "A CPU". */
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../kernel/sched/cpu.ts';
import type { Program, task_struct } from '../../../kernel/sched/task.ts';
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
