/** Holds simulated time back to real time, for runs in which the outside world takes part. */
import type { Sim } from './sim.ts';

/** Below this distance to the next event (ms) the loop spins through the event loop instead of sleeping: a timer is that coarse. */
const SPIN_MS = 2;
/** How far behind real time a run may fall before the debt is forgiven, in ns: a laptop that slept must not race. */
const DEBT_MAX_NS = 1_000_000_000;

export class Pacer {
  private readonly sim: Sim;
  private origin: number;
  private wake: (() => void) | null = null;
  private running = false;

  constructor(sim: Sim) {
    this.sim = sim;
    this.origin = 0;
  }

  /** Simulated time that corresponds to the present real time. */
  present(): number {
    return Math.round(performance.now() * 1e6 - this.origin);
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
    this.origin = performance.now() * 1e6 - sim.time;
    this.running = true;
    while (this.running && sim.time < until) {
      let present = this.present();
      if (present - sim.next() > DEBT_MAX_NS) {
        this.origin = performance.now() * 1e6 - sim.next();
        present = this.present();
      }
      sim.run(Math.min(present, until));
      const wait = (Math.min(sim.next(), until) - this.present()) / 1e6;
      await this.sleep(wait);
    }
    this.running = false;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      if (ms < SPIN_MS) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(done, Math.min(ms - 1, 1000));
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
