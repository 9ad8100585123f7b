import { describe, expect, it } from 'vitest';
import { LevelInterruptController } from '../../../harness/machine/intc.ts';
import { Sim } from '../../../harness/sim/sim.ts';

function setUp(): { sim: Sim; intc: LevelInterruptController; got: string[] } {
  const sim = new Sim();
  const intc = new LevelInterruptController(sim, 4);
  const got: string[] = [];
  intc.connect({ interrupt: (cpu, irq) => got.push(`${sim.time}:cpu${cpu}:irq${irq}`) });
  return { sim, intc, got };
}

describe('the interrupt controller', () => {
  it('a masked line asserted, delivered on unmask only', () => {
    const { intc, got } = setUp();
    intc.setLevel(1, true, 0);
    expect(got).toEqual([]);
    intc.unmask(1);
    expect(got).toEqual(['0:cpu0:irq1']);
  });

  it('a line in service, delivered again at eoi when it is still asserted', () => {
    const { intc, got } = setUp();
    intc.unmask(1);
    intc.setLevel(1, true, 0);
    expect(got).toHaveLength(1);
    intc.eoi(1);
    expect(got).toHaveLength(2);
    intc.setLevel(1, false, 0);
    intc.eoi(1);
    expect(got).toHaveLength(2);
  });

  it('an edge at a local time ahead of the event, delivered at that time', () => {
    const { sim, intc, got } = setUp();
    intc.unmask(2);
    intc.setLevel(2, true, 700);
    expect(got).toEqual([]);
    sim.run(1000);
    expect(got).toEqual(['700:cpu0:irq2']);
  });

  it('a line that drops before its delivery, not delivered', () => {
    const { sim, intc, got } = setUp();
    intc.unmask(2);
    intc.setLevel(2, true, 700);
    intc.setLevel(2, false, 800);
    sim.run(1000);
    expect(got).toEqual([]);
  });

  it('two sources on a line, asserted until both have let go', () => {
    const { intc, got } = setUp();
    intc.unmask(3);
    intc.setLevel(3, true, 0);
    intc.setLevel(3, true, 0);
    intc.setLevel(3, false, 0);
    expect(intc.level(3)).toBe(true);
    intc.eoi(3);
    expect(got).toHaveLength(2);
    intc.setLevel(3, false, 0);
    expect(intc.level(3)).toBe(false);
  });

  it('an affinity, decides the CPU', () => {
    const { intc, got } = setUp();
    intc.setAffinity(0, 3);
    intc.unmask(0);
    intc.setLevel(0, true, 0);
    expect(got).toEqual(['0:cpu3:irq0']);
  });

  it('a message, delivered once; while masked or in service it waits, once', () => {
    const { intc, got } = setUp();
    intc.message(3, 0);
    intc.message(3, 0);
    expect(got).toEqual([]);
    intc.unmask(3);
    expect(got).toHaveLength(1);
    intc.message(3, 0);
    intc.message(3, 0);
    expect(got).toHaveLength(1);
    intc.eoi(3);
    expect(got).toHaveLength(2);
    intc.eoi(3);
    expect(got).toHaveLength(2);
  });

  it('a message to a CPU of its own, at a time to come', () => {
    const { sim, intc, got } = setUp();
    intc.unmask(2);
    intc.setAffinity(2, 1);
    intc.message(2, 500);
    sim.run(1000);
    expect(got).toEqual(['500:cpu1:irq2']);
  });

  it('a message for a line that does not exist, lost', () => {
    const { intc, got } = setUp();
    intc.message(99, 0);
    intc.message(-1, 0);
    expect(got).toEqual([]);
  });
});
