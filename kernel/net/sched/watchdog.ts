/** qdisc_watchdog: wakes a discipline that holds its packets back until a moment (net/sched/sch_api.c). */
import { hrtimer } from '../../time/hrtimer.ts';
import { netif_schedule } from '../core/dev.ts';
import { type Qdisc, qdisc_root } from './qdisc.ts';

export class qdisc_watchdog {
  private readonly qdisc: Qdisc;
  private readonly timer: hrtimer;
  private expires = -1;

  constructor(qdisc: Qdisc) {
    this.qdisc = qdisc;
    this.timer = new hrtimer(qdisc.dev.kernel, `${qdisc.dev.name} ${qdisc.ops.id}`, () => {
      this.expires = -1;
      netif_schedule(qdisc_root(this.qdisc));
    });
  }

  /** qdisc_watchdog_schedule_ns: at the absolute time `ns`. */
  schedule_ns(ns: number): void {
    if (qdisc_root(this.qdisc).deactivated || this.expires === ns) return;
    this.expires = ns;
    this.timer.start(ns);
  }

  cancel(): void {
    this.expires = -1;
    this.timer.cancel();
  }
}
