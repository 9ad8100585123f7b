/**
 * Runs a world together with promise-based programs: the simulation moves only while JavaScript has nothing to do. Its
 * microtasks, `nextTick`s and `setImmediate`s have drained before the next event is served, so a run is the same every
 * time, as long as the programs wait for nothing but sockets and timers of the simulation.
 */
import type { ClockEvent } from '../../kernel/arch.ts';
import type { Host } from '../machine/host.ts';
import type { World } from '../machine/world.ts';
import { EventLoop } from './loop.ts';

/** Turns of Node's event loop without news after which JavaScript counts as idle. */
const QUIET_TURNS = 2;

/** A promise-based program waits for something that will never happen. */
export class Deadlock extends Error {
  constructor(time: number) {
    super(`at ${time} ns nothing is left to happen, and the program still waits`);
    this.name = 'Deadlock';
  }
}

/** A timer of simulated time, as `setTimeout` gives one. */
export class SimTimer {
  private readonly run: NodeRun;
  private readonly event: ClockEvent;
  private readonly ms: number;

  constructor(run: NodeRun, fn: () => void, ms: number, repeat: boolean) {
    this.run = run;
    this.ms = Math.max(ms, 1);
    this.event = run.world.sim.event('timer', () => {
      if (repeat) this.arm();
      run.callbacks.push(fn);
    });
    this.arm();
  }

  private arm(): void {
    const { sim } = this.run.world;
    sim.schedule(this.event, sim.time + Math.round(this.ms * 1e6));
  }

  clear(): void {
    this.run.world.sim.cancel(this.event);
  }

  refresh(): this {
    this.arm();
    return this;
  }

  /** For callers that expect Node's timers: the simulation keeps nothing alive. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

export class NodeRun {
  readonly world: World;
  /** Calls into JavaScript that the simulation left. */
  readonly callbacks: (() => void)[] = [];
  private readonly loops = new Map<Host, EventLoop>();

  constructor(world: World) {
    this.world = world;
  }

  /** The host's task for sockets of JavaScript programs; made when first asked for. */
  loop(host: Host): EventLoop {
    let loop = this.loops.get(host);
    if (loop === undefined) {
      loop = new EventLoop(host, this.callbacks);
      this.loops.set(host, loop);
    }
    return loop;
  }

  /** Simulated time in ms, for what would call `performance.now`. */
  now(): number {
    return this.world.sim.time / 1e6;
  }

  setTimeout(fn: () => void, ms = 0): SimTimer {
    return new SimTimer(this, fn, ms, false);
  }

  setInterval(fn: () => void, ms = 0): SimTimer {
    return new SimTimer(this, fn, ms, true);
  }

  /** Resolves after `ms` of simulated time. */
  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.setTimeout(resolve, ms));
  }

  /**
   * Runs the world until `program` settles, and gives what it gives.
   * @throws Deadlock when nothing is left to happen; what the program throws
   */
  async until<T>(program: Promise<T>): Promise<T> {
    let settled = false;
    const watched = program.finally(() => {
      settled = true;
    });
    // Whoever awaits `watched` below hears of a failure; until then nobody must call it unhandled.
    watched.catch(() => {});
    const { sim } = this.world;
    for (;;) {
      await this.drain();
      if (settled) return watched;
      while (this.callbacks.length === 0) if (!sim.step()) throw new Deadlock(sim.time);
    }
  }

  /** Runs the world for `ms` of simulated time. */
  async for(ms: number): Promise<void> {
    await this.until(this.sleep(ms));
  }

  /** Serves the callbacks, and lets JavaScript go on until it has nothing more to do. */
  private async drain(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      while (this.callbacks.length > 0) {
        quiet = 0;
        (this.callbacks.shift() as () => void)();
        await Promise.resolve();
      }
      await new Promise<void>(resolve => setImmediate(resolve));
    }
  }
}
