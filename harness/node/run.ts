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
/** The simulation's time 0, unless told otherwise. */
const EPOCH = Date.UTC(2026, 0, 1);
/** So much simulated time may a program take, in ms, unless told otherwise. */
const LIMIT_MS = 3_600_000;

/** The next turn of Node's event loop: all that is due by then has run. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** A promise-based program waits for something that does not happen. */
export class Deadlock extends Error {
  constructor(time: number, why: string) {
    super(`at ${time} ns ${why}, and the program still waits`);
    this.name = 'Deadlock';
  }
}

/** A timer of simulated time, as `setTimeout` gives one. */
export class SimTimer {
  private readonly run: NodeRun;
  private readonly event: ClockEvent;
  private readonly ms: number;
  private cleared = false;

  constructor(run: NodeRun, fn: () => void, ms: number, repeat: boolean) {
    this.run = run;
    // As Node: less than a millisecond, or no number, is one.
    this.ms = ms >= 1 && ms <= 0x7fffffff ? Math.trunc(ms) : 1;
    this.event = run.world.sim.event('timer', () => {
      if (repeat) this.arm();
      run.call(() => {
        if (!this.cleared) fn();
      });
    });
    this.arm();
  }

  private arm(): void {
    const { sim } = this.run.world;
    sim.schedule(this.event, sim.time + this.ms * 1e6);
    this.run.world.poke?.();
  }

  clear(): void {
    this.cleared = true;
    this.run.world.sim.cancel(this.event);
  }

  close(): this {
    this.clear();
    return this;
  }

  refresh(): this {
    if (!this.cleared) this.arm();
    return this;
  }

  /** For callers that expect Node's timers: the simulation keeps nothing alive. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }
}

export interface NodeRunOptions {
  /** What the simulation's time 0 is, in ms since 1970. Default: the beginning of 2026. */
  readonly epoch?: number;
  /**
   * Somebody else moves the simulation, in step with real time (a TAP): callbacks run in the next turn of Node's event
   * loop, and a run is not the same every time.
   */
  readonly live?: boolean;
}

/** What a patched global was before. */
type Restore = () => void;

export class NodeRun {
  readonly world: World;
  readonly live: boolean;
  private readonly epoch: number;
  /** Calls into JavaScript that the simulation left. */
  private readonly callbacks: (() => void)[] = [];
  private readonly loops = new Map<Host, EventLoop>();

  constructor(world: World, options: NodeRunOptions = {}) {
    this.world = world;
    this.epoch = options.epoch ?? EPOCH;
    this.live = options.live ?? false;
  }

  /** The host's task for sockets of JavaScript programs; made when first asked for. */
  loop(host: Host): EventLoop {
    let loop = this.loops.get(host);
    if (loop === undefined) {
      loop = new EventLoop(host, fn => this.call(fn));
      this.loops.set(host, loop);
    }
    return loop;
  }

  /** Leaves a call for when the simulation stands still. */
  call(fn: () => void): void {
    this.callbacks.push(fn);
    if (this.live && this.callbacks.length === 1) setImmediate(() => this.serve());
  }

  /** What there is now; what that leaves comes in the next turn. */
  private serve(): void {
    for (const fn of this.callbacks.splice(0)) fn();
  }

  /** Simulated time in ms, for what would call `performance.now`. */
  now(): number {
    return this.world.sim.time / 1e6;
  }

  /** Simulated time as a date. */
  date(): Date {
    return new Date(this.epoch + Math.floor(this.now()));
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
   * Runs the world until `program` settles, and gives what it gives. A function is called first, with `setTimeout`,
   * `setInterval`, `Date` and `performance.now` of all JavaScript on simulated time until it has settled.
   *
   * @param limitMs - simulated time that it may take
   * @throws Deadlock when nothing is left to happen or the time is up; what the program throws
   */
  async until<T>(program: Promise<T> | (() => Promise<T>), limitMs = LIMIT_MS): Promise<T> {
    if (typeof program === 'function') {
      const restore = this.install();
      try {
        return await this.until(program(), limitMs);
      } finally {
        restore();
      }
    }
    let settled = false;
    const watched = program.finally(() => {
      settled = true;
    });
    // Whoever awaits `watched` below hears of a failure; until then nobody must call it unhandled.
    watched.catch(() => {});
    const { sim } = this.world;
    const limit = sim.time + limitMs * 1e6;
    for (;;) {
      await this.drain();
      if (settled) return watched;
      while (this.callbacks.length === 0) {
        if (sim.next() > limit) throw new Deadlock(sim.time, `${limitMs} ms are over`);
        if (!sim.step()) throw new Deadlock(sim.time, 'nothing is left to happen');
      }
    }
  }

  /** Runs the world for `ms` of simulated time. */
  async for(ms: number): Promise<void> {
    await this.until(this.sleep(ms), ms + 1);
  }

  /** Serves the callbacks, and lets JavaScript go on until it has nothing more to do. */
  private async drain(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      while (this.callbacks.length > 0) {
        quiet = 0;
        (this.callbacks.shift() as () => void)();
        // What it put off comes before the next one, as between two callbacks of libuv's.
        await turn();
      }
      await turn();
    }
  }

  /** Puts JavaScript's clocks on simulated time. Returns what undoes it. */
  private install(): Restore {
    const { performance } = globalThis;
    const saved = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setInterval: globalThis.setInterval,
      clearInterval: globalThis.clearInterval,
      Date: globalThis.Date,
    };
    const { now } = performance;
    const run = this;
    type Fn = (...args: unknown[]) => void;
    const clear = (timer: unknown): void => {
      if (timer instanceof SimTimer) timer.clear();
      else saved.clearTimeout(timer as NodeJS.Timeout);
    };
    class SimDate extends saved.Date {
      constructor(...args: []) {
        // With arguments, a date is a date.
        if (args.length === 0) super(run.epoch + Math.floor(run.now()));
        else super(...args);
      }

      static override now(): number {
        return run.epoch + Math.floor(run.now());
      }
    }
    Object.assign(globalThis, {
      setTimeout: (fn: Fn, ms?: number, ...args: unknown[]) => run.setTimeout(() => fn(...args), ms),
      setInterval: (fn: Fn, ms?: number, ...args: unknown[]) => run.setInterval(() => fn(...args), ms),
      clearTimeout: clear,
      clearInterval: clear,
      Date: SimDate,
    });
    performance.now = () => run.now();
    return () => {
      Object.assign(globalThis, saved);
      performance.now = now;
    };
  }
}
