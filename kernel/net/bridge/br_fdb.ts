/** The bridge's forwarding database: which address is behind which port (net/bridge/br_fdb.c). */
import { HZ } from '../../time/timer.ts';
import {
  address_high,
  address_low,
  mac_text,
  type net_bridge,
  net_bridge_fdb_entry,
  type net_bridge_port,
} from './br_private.ts';

/** br_fdb_find: also what is too old but has not been taken out yet, as in Linux. */
export function br_fdb_find(br: net_bridge, high: number, low: number): net_bridge_fdb_entry | null {
  let fdb = br.fdb[br.fdb_hash(high, low)] as net_bridge_fdb_entry | null;
  while (fdb !== null && (fdb.low !== low || fdb.high !== high)) fdb = fdb.next;
  return fdb;
}

function fdb_create(br: net_bridge, port: net_bridge_port | null, high: number, low: number): net_bridge_fdb_entry {
  const hash = br.fdb_hash(high, low);
  const fdb = new net_bridge_fdb_entry(high, low, hash, port, br.kernel.timers.jiffies());
  fdb.next = br.fdb[hash] as net_bridge_fdb_entry | null;
  br.fdb[hash] = fdb;
  br.fdb_count++;
  return fdb;
}

/** fdb_delete */
export function fdb_delete(br: net_bridge, fdb: net_bridge_fdb_entry): void {
  let at = br.fdb[fdb.hash] as net_bridge_fdb_entry | null;
  if (at === fdb) {
    br.fdb[fdb.hash] = fdb.next;
  } else {
    while (at !== null && at.next !== fdb) at = at.next;
    if (at === null) return;
    at.next = fdb.next;
  }
  fdb.next = null;
  br.fdb_count--;
  if (fdb.learned) br.fdb_n_learned--;
}

/** br_fdb_update: a frame came from this address by this port. */
export function br_fdb_update(br: net_bridge, source: net_bridge_port, high: number, low: number): void {
  if (br.ageing_time === 0) return;
  const fdb = br_fdb_find(br, high, low);
  if (fdb !== null) {
    if (fdb.local) {
      br.kernel.printk(
        `${br.dev.name}: received packet on ${source.dev.name} with own address as source address (addr:${mac_text(high, low)}, vlan:0)`,
      );
      return;
    }
    fdb.updated = br.kernel.timers.jiffies();
    // The station has moved.
    if (fdb.dst !== source) fdb.dst = source;
    return;
  }
  if (br.fdb_max_learned !== 0 && br.fdb_n_learned >= br.fdb_max_learned) return;
  const fresh = fdb_create(br, source, high, low);
  fresh.learned = true;
  br.fdb_n_learned++;
  if (!br.gc_timer.pending()) br.gc_timer.mod(fresh.updated + br.ageing_time + HZ / 100);
  const tp = br.kernel.trace.br_fdb_update;
  if (tp !== null) tp(br.dev, source.dev, high, low);
}

/** br_fdb_cleanup: forgets what has not been seen for ageing_time; armed for the next one that may be due. */
export function br_fdb_cleanup(br: net_bridge): void {
  const now = br.kernel.timers.jiffies();
  let delay = Infinity;
  for (const head of br.fdb) {
    for (let fdb = head; fdb !== null; ) {
      const { next }: net_bridge_fdb_entry = fdb;
      if (!fdb.is_static) {
        const left = fdb.updated + br.ageing_time - now;
        if (left <= 0) fdb_delete(br, fdb);
        else delay = Math.min(delay, left);
      }
      fdb = next;
    }
  }
  // Round up, so that many that are due soon go together.
  if (delay < Infinity) br.gc_timer.mod(now + delay + HZ / 100);
}

/** br_fdb_add_local: an address of this host, the bridge's (null) or a port's. */
export function br_fdb_add_local(br: net_bridge, port: net_bridge_port | null, address: Uint8Array): void {
  const high = address_high(address);
  const low = address_low(address);
  const known = br_fdb_find(br, high, low);
  // It is ours now, whoever had it before.
  if (known?.local === true) return;
  if (known !== null) fdb_delete(br, known);
  const fdb = fdb_create(br, port, high, low);
  fdb.local = true;
  fdb.is_static = true;
}

/** `bridge fdb add ADDRESS dev PORT master static` */
export function br_fdb_add(br: net_bridge, port: net_bridge_port, address: Uint8Array): void {
  const high = address_high(address);
  const low = address_low(address);
  const known = br_fdb_find(br, high, low);
  if (known !== null) fdb_delete(br, known);
  fdb_create(br, port, high, low).is_static = true;
}

/** br_fdb_delete_by_port: all of a port's entries; with `all` those that do not age too. null: the bridge's own. */
export function br_fdb_delete_by_port(br: net_bridge, port: net_bridge_port | null, all: boolean): void {
  for (const head of br.fdb) {
    for (let fdb = head; fdb !== null; ) {
      const { next }: net_bridge_fdb_entry = fdb;
      if (fdb.dst === port && (all || !fdb.is_static)) fdb_delete(br, fdb);
      fdb = next;
    }
  }
}

/** `bridge fdb flush dev BRIDGE` */
export function br_fdb_flush(br: net_bridge): void {
  for (const port of br.ports) br_fdb_delete_by_port(br, port, false);
}

/** `bridge fdb show br BRIDGE` and `brctl showmacs`: a line per address, with the seconds since it was last seen. */
export function br_fdb_show(br: net_bridge): string {
  const now = br.kernel.timers.jiffies();
  const lines: string[] = [];
  for (const head of br.fdb) {
    for (let fdb = head; fdb !== null; fdb = fdb.next) {
      const dev = (fdb.dst?.dev ?? br.dev).name;
      const age = ((now - fdb.updated) / HZ).toFixed(2);
      const kind = fdb.local ? ' permanent' : fdb.is_static ? ' static' : ` ageing ${age}`;
      lines.push(`${mac_text(fdb.high, fdb.low)} dev ${dev} master ${br.dev.name}${kind}\n`);
    }
  }
  return lines.sort().join('');
}
