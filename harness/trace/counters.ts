/** Counters per stage: what a long run comes down to. Fed by the tracer; read by the CLI, and by any page that shows a host. */
import type { TraceEvent } from './event.ts';
import { STAGES, stageOf } from './stages.ts';

/** One row: a stage on one host or wire. */
export interface StageCount {
  readonly host: string;
  /** A name of stages.ts, or of a system call. */
  readonly stage: string;
  readonly lane: string;
  /** Section of docs/packet-path.md. */
  readonly section: number;
  /** Times that the stage was passed; where it carries packets, packets. */
  readonly seen: number;
  /** Bytes of those packets. */
  readonly bytes: number;
  /** Packets that ended here, in all and by reason. */
  readonly dropped: number;
  readonly drops: Readonly<Record<string, number>>;
}

interface Row {
  readonly host: string;
  readonly stage: string;
  readonly lane: string;
  readonly section: number;
  readonly order: number;
  seen: number;
  bytes: number;
  dropped: number;
  readonly drops: Map<string, number>;
}

const ORDER = new Map(STAGES.map((stage, index) => [stage.name, index]));

export class StageCounters {
  private readonly hosts = new Map<string, Map<string, Row>>();

  /** Every event once. */
  count(event: TraceEvent): void {
    if (event.drop === '') {
      const row = this.row(event, event.stage);
      row.seen++;
      if (event.packet !== 0) row.bytes += event.length;
      return;
    }
    const row = this.row(event, event.where);
    row.dropped++;
    row.drops.set(event.drop, (row.drops.get(event.drop) ?? 0) + 1);
  }

  private row({ host, layer }: TraceEvent, name: string): Row {
    let rows = this.hosts.get(host);
    if (rows === undefined) {
      rows = new Map();
      this.hosts.set(host, rows);
    }
    let row = rows.get(name);
    if (row === undefined) {
      const stage = stageOf(name, layer);
      row = {
        host,
        stage: name,
        lane: stage?.lane ?? layer,
        section: stage?.section ?? -1,
        order: ORDER.get(stage?.name ?? '') ?? STAGES.length,
        seen: 0,
        bytes: 0,
        dropped: 0,
        drops: new Map(),
      };
      rows.set(name, row);
    }
    return row;
  }

  /** Every stage that was passed or that dropped, host by host, in the order of the packet's way. */
  rows(): StageCount[] {
    return [...this.hosts.values()].flatMap(rows =>
      [...rows.values()]
        .sort((a, b) => a.order - b.order || (a.stage < b.stage ? -1 : 1))
        .map(({ order, drops, ...row }) => ({ ...row, drops: Object.fromEntries(drops) })),
    );
  }

  /** Packets dropped, by `stage REASON`, all hosts together. */
  drops(): Record<string, number> {
    const all: Record<string, number> = {};
    for (const { stage, drops } of this.rows()) {
      for (const [reason, count] of Object.entries(drops)) {
        const name = `${stage} ${reason}`;
        all[name] = (all[name] ?? 0) + count;
      }
    }
    return all;
  }
}

/** A table of at most 100 columns, like a file of /proc. */
export function formatCounters(rows: readonly StageCount[]): string[] {
  const heading = `${'host'.padEnd(8)} ${'lane'.padEnd(9)} ${'stage'.padEnd(24)} ${'seen'.padStart(9)} ${'bytes'.padStart(12)} ${'dropped'.padStart(8)}  reasons`;
  const lines = rows.map(({ host, lane, stage, seen, bytes, dropped, drops }) => {
    const reasons = Object.entries(drops).map(([reason, count]) => `${reason} ${count}`);
    const row = `${host.padEnd(8)} ${lane.padEnd(9)} ${stage.padEnd(24)} ${String(seen).padStart(9)} ${String(bytes).padStart(12)} ${String(dropped).padStart(8)}`;
    return reasons.length === 0 ? row : `${row}  ${reasons.join(', ')}`;
  });
  return [heading, ...lines];
}
