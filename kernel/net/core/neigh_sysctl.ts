/** net.ipv4.neigh.*: the settings of neighbours by their names (neigh_sysctl_table in net/core/neighbour.c). */
import { ENOENT } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import type { neigh_parms, neigh_var } from './neigh_parms.ts';

const GC_VARS = ['gc_thresh1', 'gc_thresh2', 'gc_thresh3'] as const;

/** A setting's name as sysctl(8) shows it: its field, and jiffies in its unit (1 for numbers). */
const NEIGH_SYSCTLS: ReadonlyMap<string, readonly [field: neigh_var, unit: number]> = new Map([
  ['mcast_solicit', ['mcast_solicit', 1]],
  ['ucast_solicit', ['ucast_solicit', 1]],
  ['app_solicit', ['app_solicit', 1]],
  ['mcast_resolicit', ['mcast_resolicit', 1]],
  ['retrans_time_ms', ['retrans_time', HZ / 1000]],
  ['base_reachable_time_ms', ['base_reachable_time', HZ / 1000]],
  ['base_reachable_time', ['base_reachable_time', HZ]],
  ['delay_first_probe_time', ['delay_first_probe_time', HZ]],
  ['gc_stale_time', ['gc_stale_time', HZ]],
  ['unres_qlen_bytes', ['unres_qlen_bytes', 1]],
  ['locktime', ['locktime', HZ / 100]],
  ['proxy_delay', ['proxy_delay', HZ / 100]],
  ['proxy_qlen', ['proxy_qlen', 1]],
]);

/** Every setting there is; the table's own three are under `default` only. */
export function neigh_sysctl_names(): string[] {
  return [...NEIGH_SYSCTLS.keys(), ...GC_VARS];
}

/**
 * Sets `neigh.DEVICE.NAME`, in the unit that sysctl(8) shows. `parms`: a device's, or the table's, which stand for
 * neigh.default and move every device that has no value of its own. `all`: the parms of all devices. 0 or -ENOENT.
 */
export function neigh_sysctl_set(parms: neigh_parms, name: string, value: number, all: neigh_parms[]): number {
  const { tbl } = parms;
  const threshold = GC_VARS.find(each => each === name);
  if (threshold !== undefined && parms.dev === null) {
    tbl[threshold] = value;
    return 0;
  }
  const found = NEIGH_SYSCTLS.get(name);
  if (found === undefined) return -ENOENT;
  const [field, unit] = found;
  const moved = parms.dev === null ? [parms, ...all.filter(each => !each.data_state.has(field))] : [parms];
  if (parms.dev !== null) parms.data_state.add(field);
  for (const each of moved) {
    each[field] = Math.round(value * unit);
    if (field === 'base_reachable_time') each.redraw();
  }
  return 0;
}

/** The value of `neigh.DEVICE.NAME`, or -ENOENT. */
export function neigh_sysctl_get(parms: neigh_parms, name: string): number {
  const threshold = GC_VARS.find(each => each === name);
  if (threshold !== undefined && parms.dev === null) return parms.tbl[threshold];
  const found = NEIGH_SYSCTLS.get(name);
  return found === undefined ? -ENOENT : parms[found[0]] / found[1];
}
