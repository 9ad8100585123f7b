/** What the registry says of a stage. */
import type { sk_buff } from '../../kernel/net/core/skbuff.ts';
import type { Tracepoints } from '../../kernel/trace/events.ts';
import type { Layer } from './event.ts';

/** Tracepoints whose only argument is the packet. */
export type SkbSlots = {
  [K in keyof Tracepoints]: Tracepoints[K] extends ((skb: sk_buff) => void) | null ? K : never;
}[keyof Tracepoints];

/** What a simple tracepoint says; up: it is what the context works on from then on. `owns`: and what it allocates is its. */
interface Simple {
  readonly slot: SkbSlots;
  readonly way: 'up' | 'down';
  readonly owns?: true;
  readonly text: (skb: sk_buff) => string;
}

export interface Stage {
  /** TraceEvent.stage. */
  readonly name: string;
  readonly lane: Layer;
  /** Section of the packet path. Sections 0 to 3 and 7 (the lower half of 6) are held to a seen and a dropped test. */
  readonly section: Section;
  readonly what: string;
  /** The kernel's tracepoint, or `card:` and the card's; '' for what the tracer makes of several. */
  readonly slot: string;
  /** Where the tracepoint is, and the part's own test. */
  readonly file: string;
  readonly test: string;
  /** Other names in Linux, or in older texts. */
  readonly aliases?: readonly string[];
  /** Reasons that end a packet here; or why none can. */
  readonly drops: readonly string[] | string;
  /** Kernel functions, and beginnings of source paths, that a drop here is charged from when another stage was the last. */
  readonly at?: readonly string[];
  readonly simple?: Simple;
}

/** 0 to 6 as in the packet path; 7 is section 6 from dev_queue_xmit down. */
export type Section = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
export const SECTIONS: readonly string[] = [
  'Before the first packet',
  'Card, receiving',
  'Hard IRQ, softirq, NAPI',
  '__netif_receive_skb_core',
  'Network layer',
  'Transport and socket',
  'Transmit: application to queue',
  'Transmit: queue to wire',
];
/** Sections whose every stage must be seen, and every reason shown, in the stage suite. */
export const COMPLETE: ReadonlySet<Section> = new Set<Section>([0, 1, 2, 3, 7]);

export const NO_PACKET = 'no packet passes here';
