/** A host with a loopback and nothing else, and programs on it: what the socket tests share. */
import { World } from '../../../harness/machine/world.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { Program } from '../../../kernel/sched/task.ts';
import { type Syscalls, spawn } from '../../../kernel/syscalls.ts';

export const LOCALHOST = 0x7f000001;

export interface SocketBench {
  readonly world: World;
  readonly kernel: Kernel;
  /** Starts a program. */
  spawn(program: (sys: Syscalls) => Program): void;
  /** Runs until nothing is left to do, or `ns` have passed. */
  run(ns?: number): void;
  /** Runs one program to its end and gives what it returned. Throws what it threw. */
  program<T>(body: (sys: Syscalls) => Generator<undefined, T, undefined>): T;
  /** Shuts the host down: what the detectors found. */
  finish(): string[];
}

export function socketBench(options: { costs?: boolean } = {}): SocketBench {
  const world = new World();
  const { kernel } = world.addHost({ name: 'host', costs: options.costs ?? false, nics: [] });
  const run = (ns = 100_000_000_000): void => {
    world.sim.settle(world.sim.time + ns);
  };
  return {
    world,
    kernel,
    run,
    spawn: program => void kernel.exec(() => spawn(kernel, 'test', program)),
    program(body) {
      let result: { value: ReturnType<typeof Object> } | null = null;
      let error: unknown = null;
      kernel.exec(() =>
        spawn(kernel, 'test', function* (sys) {
          try {
            result = { value: yield* body(sys) };
          } catch (thrown) {
            error = thrown;
          }
          return 0;
        }),
      );
      run();
      if (error !== null) throw error;
      if (result === null) throw new Error('the program did not come to its end');
      return (result as { value: unknown }).value as never;
    },
    finish: () => world.finish().map(finding => `${finding.detector}: ${finding.message}`),
  };
}
