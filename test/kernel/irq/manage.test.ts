import { describe, expect, it } from 'vitest';
import { EBUSY, EINVAL } from '../../../kernel/errno.ts';
import {
  disable_irq,
  enable_irq,
  free_irq,
  IRQ_HANDLED,
  IRQ_NONE,
  IRQF_SHARED,
  request_irq,
} from '../../../kernel/irq/manage.ts';
import { type Bench, bench } from '../host.ts';

describe('interrupt lines', () => {
  it('a line that is taken, shared only when both agree', () => {
    const { kernel } = bench();
    const handler = (): typeof IRQ_HANDLED => IRQ_HANDLED;
    expect(request_irq(kernel, 99, handler, 0, 'x', 1)).toBe(-EINVAL);
    expect(request_irq(kernel, 5, handler, IRQF_SHARED, 'a', 1)).toBe(0);
    expect(request_irq(kernel, 5, handler, 0, 'b', 2)).toBe(-EBUSY);
    expect(request_irq(kernel, 5, handler, IRQF_SHARED, 'c', 3)).toBe(0);
  });

  it('a shared line, every handler asked', () => {
    const b = bench();
    const { kernel, host, log } = b;
    for (const name of ['a', 'b']) {
      request_irq(
        kernel,
        5,
        () => {
          log.push(name);
          host.intc.setLevel(5, false, kernel.clock.now);
          return name === 'b' ? IRQ_HANDLED : IRQ_NONE;
        },
        IRQF_SHARED,
        name,
        name,
      );
    }
    b.at(10, () => {
      host.intc.setLevel(5, true, 10);
      host.intc.setLevel(5, true, 10);
    });
    b.world.sim.settle(1e6);
    expect(log).toEqual(['a', 'b']);
    expect(kernel.irqs[5]?.spurious).toBe(0);
  });

  it('a disabled line asserted, its handler runs when the last disable is undone', () => {
    const b = bench();
    b.interrupt(3, 100, () => b.work('irq', 0));
    b.at(10, () => {
      disable_irq(b.kernel, 3);
      disable_irq(b.kernel, 3);
    });
    b.at(200, () => enable_irq(b.kernel, 3));
    b.at(300, () => enable_irq(b.kernel, 3));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['irq@300']);
    expect(b.world.findings).toEqual([]);
    b.at(400, () => enable_irq(b.kernel, 3));
    b.world.sim.settle(1e6);
    expect(b.world.findings[0]?.message).toContain('unbalanced enable_irq');
  });

  it('a stuck line that nobody serves, shut off after 100,000 interrupts and reported', () => {
    const b = bench();
    request_irq(b.kernel, 4, () => IRQ_NONE, 0, 'deaf', 1);
    b.at(10, () => b.host.intc.setLevel(4, true, 10));
    expect(b.world.sim.settle(1e6)).toBe(true);
    expect(b.kernel.irqs[4]?.spurious_disabled).toBe(true);
    expect(b.world.findings.map(f => f.message)).toContain('host: irq 4: nobody cared');
  });

  it('free_irq with a dev_id that is not there, reported', () => {
    const { kernel, world } = bench();
    free_irq(kernel, 6, 1);
    expect(world.findings[0]?.detector).toBe('irq');
  });

  it.each([
    ['disabled', (b: Bench) => disable_irq(b.kernel, 3)],
    ['freed', (b: Bench) => free_irq(b.kernel, 3, b)],
  ])('a line %s between its delivery and its turn, no handler runs and nobody is blamed', (_name, stop) => {
    const b = bench();
    request_irq(b.kernel, 3, () => expect.unreachable(), 0, 'late', b);
    // The CPU is in another handler when line 3 is delivered: it has to wait.
    b.interrupt(5, 100, () => b.work('busy', 1000));
    b.at(200, () => b.host.intc.setLevel(3, true, 200));
    b.at(300, () => {
      expect(b.host.intc.delivered[3]).toBe(1);
      stop(b);
    });
    b.world.sim.settle(1e6);
    expect(b.kernel.irqs[3]?.spurious).toBe(0);
    expect(b.world.findings).toEqual([]);
  });

  it('a line disabled while it waits for the CPU, its handler runs once it is enabled again', () => {
    const b = bench();
    b.interrupt(3, 200, () => b.work('late', 0));
    b.interrupt(5, 100, () => b.work('busy', 1000));
    b.at(300, () => disable_irq(b.kernel, 3));
    b.at(5000, () => enable_irq(b.kernel, 3));
    b.world.sim.settle(1e6);
    expect(b.log).toEqual(['busy@100', 'late@5000']);
  });
});
