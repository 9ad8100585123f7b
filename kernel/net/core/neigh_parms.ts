/** The settings of neighbours (struct neigh_parms of include/net/neighbour.h). */
import { HZ } from '../../time/timer.ts';
import type { neigh_table } from './neighbour.ts';
import type { net_device } from './netdevice.ts';

/** Settings, per device (struct neigh_parms); times in jiffies. Names as in net.ipv4.neigh.*. */
export class neigh_parms {
  readonly tbl: neigh_table;
  readonly dev: net_device | null;
  mcast_solicit = 3;
  ucast_solicit = 3;
  app_solicit = 0;
  mcast_resolicit = 0;
  retrans_time = HZ;
  base_reachable_time = 30 * HZ;
  delay_first_probe_time = 5 * HZ;
  gc_stale_time = 60 * HZ;
  unres_qlen_bytes = 212992;
  locktime = HZ;
  /** A question that is answered for somebody else waits up to so long, and so many may wait. */
  proxy_delay = (8 * HZ) / 10;
  proxy_qlen = 64;
  /** Drawn anew every five minutes from 0.5 to 1.5 times the base, so that hosts do not probe in step. */
  private reachable = 0;
  private last_rand = -Infinity;
  /** Questions in the proxy queue that came by this device. */
  qlen = 0;
  /** Which settings the device has of its own: neigh.default moves the others only (data_state). */
  readonly data_state = new Set<string>();

  /** neigh_parms_alloc: a device starts with what neigh.default says. */
  constructor(tbl: neigh_table, dev: net_device | null) {
    this.tbl = tbl;
    this.dev = dev;
    if (dev !== null) for (const name of NEIGH_VARS) this[name] = tbl.parms[name];
  }

  /** neigh_proc_base_reachable_time: a new base counts at once. */
  redraw(): void {
    this.last_rand = -Infinity;
  }

  /** reachable_time: neigh_rand_reach_time, drawn when it is asked for and due (Linux draws it in neigh_periodic_work). */
  reachable_time(now: number): number {
    if (now - this.last_rand > 300 * HZ) {
      this.last_rand = now;
      const base = this.base_reachable_time;
      this.reachable = (base >> 1) + (base === 0 ? 0 : this.tbl.random.u32() % base);
    }
    return this.reachable;
  }
}

/** The settings of net.ipv4.neigh.DEVICE.*, by their fields. */
export const NEIGH_VARS = [
  'mcast_solicit',
  'ucast_solicit',
  'app_solicit',
  'mcast_resolicit',
  'retrans_time',
  'base_reachable_time',
  'delay_first_probe_time',
  'gc_stale_time',
  'unres_qlen_bytes',
  'locktime',
  'proxy_delay',
  'proxy_qlen',
] as const;
export type neigh_var = (typeof NEIGH_VARS)[number];
