/** A world as a whole: its beginning, its end, and the memory that goes from one to the next. */
import { describe, expect, it } from 'vitest';
import { World } from '../../../harness/machine/world.ts';
import { Arena } from '../../../harness/sim/arena.ts';
import { pair } from '../../pair.ts';

describe('the end of a world', () => {
  it('finished twice, says the same and gives its memory back once', () => {
    const world = new World({ memory: 7 << 20 });
    world.report('test', 'something');
    const findings = world.finish();
    expect(world.finish()).toEqual(findings);
    const [one, other] = [new World({ memory: 7 << 20 }), new World({ memory: 7 << 20 })];
    expect(one.arena === other.arena).toBe(false);
    one.finish();
    other.finish();
  });

  it('an arena released twice, refused; taken again, it may be released again', () => {
    const arena = Arena.take(3 << 20);
    arena.release();
    expect(() => arena.release()).toThrow('released twice');
    const again = Arena.take(3 << 20);
    expect(again === arena).toBe(true);
    again.release();
  });

  it('a host shut down by hand before, nothing is found', () => {
    const { left, run, finish } = pair();
    run(1e6);
    left.shutdown();
    run(5e6);
    expect(finish()).toEqual([]);
  });

  it('hosts in full traffic, ended while an interrupt waits for its CPU: nothing is found', () => {
    const { world, left, right, finish } = pair({ costs: true });
    right.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, 7));
      const buffer = sys.mmap(64);
      for (;;) yield* sys.recv(fd, buffer, 64, 0);
    });
    left.spawn('source', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      const buffer = sys.mmap(64);
      for (;;) yield* sys.sendto(fd, buffer, 10, 0, sys.sockaddr(0x0a000002, 7));
    });
    // Delivered and not yet counted by its handler: the CPU is busy with something else.
    const waits = (): boolean => {
      const line = right.cards[0]?.line ?? 0;
      const handled = right.kernel.irqs[line]?.kstat.reduce((sum, n) => sum + n, 0) ?? 0;
      return (right.intc.delivered[line] ?? 0) > handled;
    };
    for (let i = 0; i < 60_000 && !waits(); i++) world.sim.step();
    expect(waits()).toBe(true);
    expect(finish()).toEqual([]);
  });
});
