/** What a trace consists of: one event for each stage that a packet passes, on any host, in any card, on any wire. */

/** Where a stage belongs: its lane, from the bottom up. `sched` and `irq` are what happens around packets. */
export type Layer =
  | 'wire'
  | 'card'
  | 'dma'
  | 'irq'
  | 'softirq'
  | 'driver'
  | 'gro'
  | 'core'
  | 'tap'
  | 'qdisc'
  | 'arp'
  | 'ip'
  | 'transport'
  | 'socket'
  | 'syscall'
  | 'sched';

export interface TraceEvent {
  /** Simulated time, ns. */
  readonly time: number;
  /** Order of emission, from 1 on: breaks ties of time. */
  readonly sequence: number;
  /** The host's name; `wire0`, `wire1`, … for a wire. */
  readonly host: string;
  /** The CPU that ran; -1 where none did (card, wire). */
  readonly cpu: number;
  /** The Linux function (or tracepoint), or the card's stage (device/trace.ts), or `wire`. */
  readonly stage: string;
  readonly layer: Layer;
  /** The packet's identity, the same on every host and wire; 0: no packet, an event between packets. */
  readonly packet: number;
  /** The packet because of which this one exists (a request, a clone's original, what was fragmented); 0 for none. */
  readonly parent: number;
  /** The sk_buff's number on its host; 0 where there is none. */
  readonly skb: number;
  /** What happened, in a few words. On a wire: the frame, as tcpdump would describe it. */
  readonly text: string;
  /** Bytes of the packet at this stage, without FCS; 0 where there is no packet. */
  readonly length: number;
  /** Why the packet went no further: SKB_DROP_REASON without its prefix, or the card's reason; '' otherwise. */
  readonly drop: string;
  /** With `drop`: the stage in which it ended (a name of stages.ts), and the function, as Linux's kfree_skb `location`. */
  readonly where: string;
  readonly location: string;
}

/**
 * Puts events in order of time. A context's local time runs ahead of the simulation's, so events come slightly out of
 * order, but never from before the event that is being served.
 */
export class EventOrder {
  private pending: TraceEvent[] = [];

  push(event: TraceEvent): void {
    this.pending.push(event);
  }

  /** Everything from before `time` (ns), in order. Nothing earlier may be pushed afterwards. */
  take(time: number): TraceEvent[] {
    const ready: TraceEvent[] = [];
    const later: TraceEvent[] = [];
    for (const event of this.pending) (event.time < time ? ready : later).push(event);
    this.pending = later;
    return ready.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
  }
}
