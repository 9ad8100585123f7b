/** A trace as swim lanes: one column for each layer, from the wire on the left to the program on the right, 100 columns wide. */
import type { Layer, TraceEvent } from './event.ts';
import { formatTime, type LineOptions, paint } from './lines.ts';

/** Columns, and the lanes that share one. */
const COLUMNS: readonly (readonly [heading: string, lanes: readonly Layer[]])[] = [
  ['wir', ['wire']],
  ['crd', ['card']],
  ['dma', ['dma']],
  ['irq', ['irq']],
  ['sft', ['softirq', 'sched']],
  ['drv', ['driver']],
  ['gro', ['gro']],
  ['cor', ['core', 'tap']],
  ['qdc', ['qdisc']],
  ['ip', ['ip', 'arp']],
  ['l4', ['transport']],
  ['sk', ['socket']],
  ['usr', ['syscall']],
];
const WIDTH = 4;
const PACKET_WIDTH = 7;
const PLACE_WIDTH = 4;
const LINE_WIDTH = 100;
const at = new Map(COLUMNS.flatMap(([, lanes], index) => lanes.map(lane => [lane, index] as const)));

export const LANES_HEADING = `${'time (s)'.padStart(13)} ${'cpu'.padEnd(PLACE_WIDTH)}${'packet'.padEnd(PACKET_WIDTH)}${COLUMNS.map(([heading]) => heading.padEnd(WIDTH)).join('')} stage`;

/** Turns events, in order, into lines. Between two stages of a packet a line shows which way it went. */
export class LaneLines {
  private readonly options: LineOptions;
  /** By packet: the lane that it was in last. */
  private readonly last = new Map<number, number>();

  constructor(options: LineOptions) {
    this.options = options;
  }

  format(events: readonly TraceEvent[]): string[] {
    return events.flatMap(event => this.lines(event));
  }

  private lines(event: TraceEvent): string[] {
    const { color, origin = 0 } = this.options;
    const { packet, parent, layer, drop, stage, where, cpu } = event;
    const lane = at.get(layer) ?? 0;
    const before = packet === 0 ? undefined : this.last.get(packet);
    const isNew = packet !== 0 && before === undefined;
    if (packet !== 0) this.last.set(packet, lane);
    const cells = COLUMNS.map((_, index) => {
      if (index === lane) return (drop !== '' ? '✗' : packet === 0 ? '·' : '●').padEnd(WIDTH);
      if (before === undefined || drop !== '') return ' '.repeat(WIDTH);
      if (index > before && index < lane) return '─'.repeat(WIDTH);
      if (index === before && before < lane) return '├───';
      if (index < before && index > lane) return '─'.repeat(WIDTH);
      return index === before ? '┤'.padEnd(WIDTH) : ' '.repeat(WIDTH);
    }).join('');
    const drawn = before !== undefined && before > lane && drop === '' ? cells.replace('●   ', '●───') : cells;
    const name = packet === 0 ? '' : isNew && parent !== 0 ? `#${packet}<${parent}` : `#${packet}`;
    const room = LINE_WIDTH - 14 - PLACE_WIDTH - PACKET_WIDTH - COLUMNS.length * WIDTH - 1;
    const ended = `${drop} in ${where === '' ? stage : where}`;
    // Where there is no room for both, the packet's line before says where.
    const what = drop === '' ? stage : ended.length <= room ? ended : drop;
    const time = paint(color, '2', formatTime(event.time - origin));
    const place = cpu < 0 ? '' : String(cpu);
    const head = `${time} ${place.padEnd(PLACE_WIDTH)}${name.padEnd(PACKET_WIDTH)}`;
    const clipped = what.length > room ? `${what.slice(0, room - 1)}…` : what;
    const line = `${head}${drawn} ${drop === '' ? clipped : paint(color, '1;31', clipped)}`;
    return isNew && parent === 0 ? ['', line] : [line];
  }
}
