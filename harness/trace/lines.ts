/** A trace as lines of text, one for each event: readable without colour, in 100 columns but for long frames. */
import type { Layer, TraceEvent } from './event.ts';

export interface LineOptions {
  readonly color: boolean;
  /** The simulated time (ns) that is printed as 0. Default 0. */
  readonly origin?: number;
}

/** What only says that something ended as it always does; JSON has it. */
const QUIET: ReadonlySet<string> = new Set(['softirq_exit', 'irq_handler_exit', 'timer_expire']);

const PLACE_WIDTH = 10;
const PACKET_WIDTH = 6;
const STAGE_WIDTH = 21;

const SGR: Readonly<Record<Layer | 'drop' | 'time', string>> = {
  wire: '1;36',
  card: '35',
  dma: '95',
  irq: '2',
  softirq: '2',
  driver: '33',
  gro: '92',
  core: '32',
  tap: '32',
  qdisc: '32',
  arp: '34',
  ip: '34',
  transport: '94',
  socket: '96',
  syscall: '1',
  sched: '2',
  drop: '1;31',
  time: '2',
};

/** Standard output is a terminal, and nobody said NO_COLOR (no-color.org). */
export const wantsColor = (): boolean => process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '';

export const paint = (color: boolean, code: string, text: string): string =>
  color ? `\u001b[${code}m${text}\u001b[0m` : text;

/** Seconds with nine digits, 13 columns: `    0.000672100`. */
export function formatTime(ns: number): string {
  const whole = Math.round(Math.abs(ns));
  const seconds = Math.floor(whole / 1e9);
  return `${ns < 0 ? '-' : ''}${seconds}.${String(whole % 1e9).padStart(9, '0')}`.padStart(13);
}

/** `left:cpu0`, `left:card`, `wire0`. */
export function formatPlace({ host, cpu, layer }: TraceEvent): string {
  if (layer === 'wire') return host;
  if (cpu >= 0) return `${host}:cpu${cpu}`;
  return `${host}:${layer === 'card' || layer === 'dma' ? 'card' : '-'}`;
}

/** Columns of a line, for a heading above it. */
export const COLUMNS = `${'time (s)'.padStart(13)} ${'where'.padEnd(PLACE_WIDTH)} ${'packet'.padEnd(PACKET_WIDTH)} ${'stage'.padEnd(STAGE_WIDTH)} what happens`;

/** Turns events, in order, into lines; an empty line comes before each packet that nothing else has caused. */
export class JourneyLines {
  private readonly options: LineOptions;
  private readonly seen = new Set<number>();

  constructor(options: LineOptions) {
    this.options = options;
  }

  format(events: readonly TraceEvent[]): string[] {
    return events.flatMap(event => this.lines(event));
  }

  private lines(event: TraceEvent): string[] {
    const { packet, parent } = event;
    const isNew = packet !== 0 && !this.seen.has(packet);
    if (isNew) this.seen.add(packet);
    if (event.drop === '' && QUIET.has(event.stage)) return [];
    const line = this.line(event, isNew);
    return isNew && parent === 0 ? ['', line] : [line];
  }

  private line(event: TraceEvent, isNew: boolean): string {
    const { color, origin = 0 } = this.options;
    const { layer, packet, parent, stage, text, drop } = event;
    const code = drop === '' ? SGR[layer] : SGR.drop;
    const time = paint(color, SGR.time, formatTime(event.time - origin));
    const place = formatPlace(event).padEnd(PLACE_WIDTH);
    const name = packet === 0 ? '' : isNew && parent !== 0 ? `#${packet}<${parent}` : `#${packet}`;
    const where = event.where === '' || layer === 'wire' ? '' : ` in ${event.where}`;
    const what = drop === '' ? text : `${text}: ${drop}${where}`;
    // A frame's description needs the room of the stage's column: the place says it already.
    const stageColumn = layer === 'wire' ? '' : `${stage.padEnd(STAGE_WIDTH)} `;
    return `${time} ${paint(color, SGR[layer], place)} ${name.padEnd(PACKET_WIDTH)} ${paint(color, code, stageColumn + what)}`;
  }
}

/** One line for a packet: when and where it was first seen on a wire. */
export function oneLine(event: TraceEvent, options: LineOptions): string {
  const { color, origin = 0 } = options;
  const time = paint(color, SGR.time, formatTime(event.time - origin));
  return `${time} ${event.host.padEnd(PLACE_WIDTH)} ${`#${event.packet}`.padEnd(PACKET_WIDTH)} ${event.text}`;
}
