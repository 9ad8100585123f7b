/** Holds simulated time back to real time, for runs in which the outside world takes part. */
import type { Sim } from './sim.ts';

/** Below this distance to the next event (ms) the loop spins through the event loop instead of sleeping: a timer is that coarse. */
const SPIN_MS = 2;
/** Longest sleep (ms): so far may simulated time lag behind when nothing happens. */
const SLEEP_MAX_MS = 250;
/**
 * How far behind real time a run may fall before the debt is forgiven, in ns: a laptop that slept, or a machine that is
 * too slow, must not race. More than the longest sleep.
 */
const DEBT_MAX_NS = 1_000_000_000;
/** A run that catches up lets the event loop turn after so much real time (ns), looking at the clock every so much simulated time. */
const TURN_NS = 2_000_000;
const SLICE_NS = 1_000_000;

export class Pacer {
  private readonly sim: Sim;
  private readonly clock: () => number;
  private origin: number;
  private wake: (() => void) | null = null;
  private running = false;
  /** Real time (ns) that the run was not held to, because it had fallen too far behind. */
  forgiven = 0;

  /** @param clock - real time in ns, from any origin */
  constructor(sim: Sim, clock: () => number = () => performance.now() * 1e6) {
    this.sim = sim;
    this.clock = clock;
    this.origin = clock() - sim.time;
  }

  /**
   * Simulated time that corresponds to the present real time. Forgives what is too far behind first, so that an input
   * is never stamped with a time that the run will reach only much later.
   */
  present(): number {
    const { sim } = this;
    const behind = this.clock() - this.origin - sim.time;
    if (behind > DEBT_MAX_NS) {
      this.origin += behind;
      this.forgiven += behind;
      return sim.time;
    }
    return Math.round(behind) + sim.time;
  }

  /** Something from outside was offered: look again at once. */
  poke(): void {
    this.wake?.();
  }

  stop(): void {
    this.running = false;
    this.poke();
  }

  /** Runs the simulation in step with real time until `until` (ns) or `stop`. */
  async run(until = Infinity): Promise<void> {
    const { sim } = this;
    this.origin = this.clock() - sim.time;
    this.running = true;
    while (this.running && sim.time < until) {
      this.catchUp(Math.min(this.present(), until));
      await this.sleep((Math.min(sim.next(), until) - this.present()) / 1e6);
    }
    this.running = false;
  }

  private catchUp(target: number): void {
    const { sim } = this;
    const turn = this.clock() + TURN_NS;
    do {
      sim.run(Math.min(target, Math.max(sim.next(), sim.time) + SLICE_NS));
    } while (sim.time < target && this.clock() < turn);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      if (!this.running || ms < SPIN_MS) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(done, Math.min(ms - 1, SLEEP_MAX_MS));
      const pacer = this;
      function done(): void {
        clearTimeout(timer);
        pacer.wake = null;
        resolve();
      }
      this.wake = done;
    });
  }
}
