/**
 * Hooks every tracepoint of a world and turns what they say into journeys: each frame and each packet has one
 * identity, a number, that stays with it from a wire through card memory, host RAM and sk_buffs to a program, and from
 * a program back to a wire.
 *
 * How the identity passes from hand to hand:
 *
 * - wire to card: a frame carries it (`id`), and the card keeps it beside the frame in packet memory;
 * - card to RAM: `rx_dma` tells the I/O address, the IOMMU the address in RAM behind it;
 * - RAM to sk_buff: by the address of the data when the skb first comes up, or by `skb_copy_from` (copybreak);
 * - sk_buff to sk_buff: a clone, a copy, a fragment, an answer has an identity of its own and the other as `parent`;
 * - sk_buff to card: `dev_hard_start_xmit` tells the address of the frame, `tx_gather` asks for it.
 */
import type { Link } from '../../device/wire/link.ts';
import type { World } from '../machine/world.ts';
import { describeFrame } from '../packet/describe.ts';
import { StageCounters } from './counters.ts';
import type { Layer, TraceEvent } from './event.ts';
import { HostTracer } from './host-tracer.ts';
import { hook } from './slots.ts';

/** Of so many packets it is remembered who sent them and how long they were. */
const REMEMBERED = 65536;

function remember<T>(map: Map<number, T>, packet: number, value: T): void {
  map.set(packet, value);
  if (map.size <= REMEMBERED) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}

export class Tracer {
  readonly world: World;
  private readonly onEvent: (event: TraceEvent) => void;
  private readonly undo: (() => void)[] = [];
  private sequence = 0;
  /** By identity: the parent's, 0 for none. Identity 0 is nobody's. */
  private readonly parents: number[] = [0];
  /** By identity: who sent the frame last, and how long it was when it was handed to a card. */
  private readonly senders = new Map<number, string>();
  private readonly handedLengths = new Map<number, number>();
  /** By identity: the stage that it passed last, and its length there. */
  private readonly lastStages = new Map<number, string>();
  private readonly lengths = new Map<number, number>();
  private active = true;
  /** What every stage has seen and dropped since this tracer observes. */
  readonly counters = new StageCounters();

  /**
   * Observes all hosts and wires that the world has now and that are added to it (from their boot on: section 0 of the
   * packet path); a run is the same with it as without. `onEvent` gets each event as it happens: see EventOrder. One
   * tracer for a world at a time.
   */
  constructor(world: World, onEvent: (event: TraceEvent) => void) {
    this.world = world;
    this.onEvent = onEvent;
    for (const host of world.hosts) this.undo.push(...new HostTracer(this, host).undo);
    this.undo.push(hook(world, 'onHost', host => void this.undo.push(...new HostTracer(this, host).undo)));
    this.undo.push(hook(world, 'onLink', (link, wire) => void this.undo.push(this.watchLosses(link, wire))));
    const earlier = world.onFrame;
    world.watchFrames((wire, from, bytes, at, length, fcs, id, time) => {
      if (earlier !== null) earlier(wire, from, bytes, at, length, fcs, id, time);
      if (this.active) this.frameOnWire(wire, bytes, at, length, id, time);
    });
    world.cables.forEach(({ link }, wire) => {
      if (link !== null) this.undo.push(this.watchLosses(link, wire));
    });
  }

  /** Stops observing. */
  detach(): void {
    this.active = false;
    for (const undo of this.undo) undo();
    this.undo.length = 0;
  }

  /** A new identity. Whoever brings frames from outside asks for one and gives it to the sender queue with the frame. */
  newPacket(parent = 0): number {
    this.parents.push(parent);
    return this.parents.length - 1;
  }

  /** For HostTracer: the packet has become part of another (GRO), which is its parent unless it has one. */
  adopt(packet: number, parent: number): void {
    if (packet !== parent && this.parents[packet] === 0) this.parents[packet] = parent;
  }

  /** The identity of the packet because of which this one exists, 0 for none. */
  parentOf(packet: number): number {
    return this.parents[packet] ?? 0;
  }

  /** Where a chain of parents begins: what came from outside, or from a program. */
  rootOf(packet: number): number {
    let at = packet;
    for (let parent = this.parentOf(at); parent !== 0; parent = this.parentOf(at)) at = parent;
    return at;
  }

  /** Bytes that the driver was given for a packet, before any padding by the card; undefined when it never got there. */
  handedLength(packet: number): number | undefined {
    return this.handedLengths.get(packet);
  }

  /** For HostTracer. */
  handed(packet: number, length: number): void {
    remember(this.handedLengths, packet, length);
  }

  /** For HostTracer: a card starts to send. */
  sends(packet: number, host: string): void {
    remember(this.senders, packet, host);
  }

  /** For HostTracer: the stage that a packet passed last; '' for none. */
  lastStage(packet: number): string {
    return this.lastStages.get(packet) ?? '';
  }

  /** For HostTracer. `length` 0: as at the stage before. */
  emit(
    time: number,
    host: string,
    cpu: number,
    stage: string,
    layer: Layer,
    packet: number,
    skb: number,
    length: number,
    text: string,
    drop = '',
    where = '',
    location = '',
  ): void {
    const sequence = ++this.sequence;
    let bytes = length;
    if (packet !== 0) {
      if (length === 0) bytes = this.lengths.get(packet) ?? 0;
      else remember(this.lengths, packet, length);
      if (drop === '') remember(this.lastStages, packet, stage);
    }
    const event: TraceEvent = {
      time,
      sequence,
      host,
      cpu,
      stage,
      layer,
      packet,
      parent: this.parentOf(packet),
      skb,
      text,
      length: bytes,
      drop,
      where,
      location,
    };
    this.counters.count(event);
    this.onEvent(event);
  }

  private frameOnWire(wire: number, bytes: Uint8Array, at: number, length: number, id: number, time: number): void {
    const sender = this.senders.get(id) ?? 'peer';
    const what = describeFrame(bytes.subarray(at, at + length));
    this.emit(time, `wire${wire}`, -1, 'wire', 'wire', id, 0, length, `${length} bytes from ${sender}: ${what}`);
  }

  private watchLosses(link: Link, wire: number): () => void {
    return hook(link, 'lost', (_from, id) => {
      const text = 'lost: the wire is full';
      this.emit(this.world.sim.now, `wire${wire}`, -1, 'wire', 'wire', id, 0, 0, text, 'wire_full', 'wire', 'Link');
    });
  }
}
