/** A host without cards and with every cost at 0: tests charge what they want to see. */
import type { Host } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { IRQ_HANDLED, request_irq } from '../../kernel/irq/manage.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export interface Bench {
  readonly world: World;
  readonly host: Host;
  readonly kernel: Kernel;
  /** What ran, in order: 'name@clock.now'. */
  readonly log: string[];
  /** Notes `name` at the present, then charges `ns`. */
  work(name: string, ns: number): void;
  /** Runs `fn` as an event at `time`. */
  at(time: number, fn: () => void): void;
  /** An interrupt source on a line of its own that is asserted at `time` and let go by its handler. */
  interrupt(line: number, time: number, handler: () => void): void;
}

export function bench(options: { cpus?: number; costs?: boolean } = {}): Bench {
  const world = new World();
  const host = world.addHost({ name: 'host', cpus: options.cpus ?? 1, costs: options.costs ?? true, nics: [] });
  const { kernel } = host;
  for (const name of Object.keys(kernel.cost) as (keyof typeof kernel.cost)[]) kernel.cost[name] = 0;
  const log: string[] = [];
  const at = (time: number, fn: () => void): void => world.sim.schedule(world.sim.event('test', fn), time);
  return {
    world,
    host,
    kernel,
    log,
    work(name, ns) {
      log.push(`${name}@${kernel.clock.now}`);
      kernel.clock.now += ns;
    },
    at,
    interrupt(line, time, handler) {
      const id = {};
      if ((kernel.irqs[line]?.actions.length ?? 0) === 0) {
        request_irq(
          kernel,
          line,
          () => {
            handler();
            host.intc.setLevel(line, false, kernel.clock.now);
            return IRQ_HANDLED;
          },
          0,
          'test',
          id,
        );
      }
      at(time, () => host.intc.setLevel(line, true, time));
    },
  };
}
