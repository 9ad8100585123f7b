/**
 * A host's bus: memory-mapped windows with posted writes, port windows without. What nobody answers reads all-ones.
 *
 * A posted write is delivered in order, with the next read or `postedNs` after it was made, whichever comes first.
 */
import type { Bus, BusWindow, Clock, ClockEvent } from '../../kernel/arch.ts';
import type { CardSlot } from './slot.ts';

const QUEUE = 1024;
/** The bus delivers a posted write within this time. */
export const POSTED_MAX_NS = 1000;

export class HostBus implements Bus {
  private readonly clock: Clock;
  private readonly postedNs: number;
  private readonly slots: CardSlot[] = [];
  private readonly event: ClockEvent;
  /** Counts what may have changed who answers where. */
  generation = 0;
  /** Posted writes under way. */
  private readonly windows: Window[] = [];
  private readonly offsets = new Int32Array(QUEUE);
  private readonly widths = new Uint8Array(QUEUE);
  private readonly values = new Float64Array(QUEUE);
  private readonly due = new Float64Array(QUEUE);
  private head = 0;
  private count = 0;
  private flushing = false;

  constructor(clock: Clock, postedNs: number) {
    if (!(postedNs >= 0 && postedNs <= POSTED_MAX_NS))
      throw new Error(`posted writes take 0 to ${POSTED_MAX_NS} ns, not ${postedNs}`);
    this.clock = clock;
    this.postedNs = postedNs;
    this.event = clock.event('posted', () => this.deliverDue());
  }

  attach(slot: CardSlot): void {
    this.slots.push(slot);
    this.generation++;
    slot.remapped = () => {
      this.generation++;
    };
  }

  mapMemory(address: number, size: number): BusWindow {
    return new Window(this, 'memory', address, size);
  }

  mapPorts(port: number, size: number): BusWindow {
    return new Window(this, 'io', port, size);
  }

  sync(): void {
    if (this.count > 0) this.deliverDue();
    for (let i = 0; i < this.slots.length; i++) (this.slots[i] as CardSlot).sync();
  }

  /** The first slot that answers to an address. */
  answers(kind: 'memory' | 'io', address: number): CardSlot | null {
    for (let i = 0; i < this.slots.length; i++) {
      const slot = this.slots[i] as CardSlot;
      if (slot.decode(kind, address) >= 0) return slot;
    }
    return null;
  }

  /** The only slot that answers to any of these addresses; null: none, or several. */
  only(kind: 'memory' | 'io', address: number, size: number): CardSlot | null {
    let found: CardSlot | null = null;
    for (const slot of this.slots) {
      if (!slot.touches(kind, address, size)) continue;
      if (found !== null) return null;
      found = slot;
    }
    return found;
  }

  /** A read pushes every posted write before it. */
  push(): void {
    if (this.count > 0) this.deliver(Infinity);
  }

  /** A write to memory: at once, or under way for a while. */
  post(window: Window, offset: number, width: 8 | 16 | 32, value: number): void {
    if (this.postedNs === 0) {
      window.store(offset, width, value);
      return;
    }
    if (this.count === QUEUE) this.deliver(Infinity);
    const i = (this.head + this.count) & (QUEUE - 1);
    this.windows[i] = window;
    this.offsets[i] = offset;
    this.widths[i] = width;
    this.values[i] = value;
    this.due[i] = this.clock.now + this.postedNs;
    this.count++;
    if (this.count === 1) this.clock.schedule(this.event, this.due[i] as number);
  }

  private deliverDue(): void {
    this.deliver(this.clock.now);
    if (this.count > 0) this.clock.schedule(this.event, this.due[this.head] as number);
    else this.clock.cancel(this.event);
  }

  private deliver(until: number): void {
    if (this.flushing) return;
    this.flushing = true;
    while (this.count > 0 && (this.due[this.head] as number) <= until) {
      const i = this.head;
      this.head = (this.head + 1) & (QUEUE - 1);
      this.count--;
      // It arrives when it is due, even where only a later read pushes it through.
      const { now } = this.clock;
      this.clock.now = Math.min(now, Math.max(this.due[i] as number, this.clock.time));
      (this.windows[i] as Window).store(
        this.offsets[i] as number,
        this.widths[i] as 8 | 16 | 32,
        this.values[i] as number,
      );
      this.clock.now = now;
    }
    this.flushing = false;
  }
}

/** A stretch of addresses. Mostly one BAR answers to all of it: it is looked for again when somebody may have moved one. */
class Window implements BusWindow {
  private readonly bus: HostBus;
  private readonly kind: 'memory' | 'io';
  private readonly address: number;
  private readonly size: number;
  /** Who answers to all of it, by which BAR and from which offset in it; null: several, or nobody. */
  private slot: CardSlot | null = null;
  private bar = -1;
  private from = 0;
  private generation = -1;

  constructor(bus: HostBus, kind: 'memory' | 'io', address: number, size: number) {
    this.bus = bus;
    this.kind = kind;
    this.address = address;
    this.size = size;
  }

  read(offset: number, width: 8 | 16 | 32): number {
    if (!(offset < this.size)) return ones(width);
    const { bus } = this;
    if (this.kind === 'memory') bus.push();
    if (this.generation !== bus.generation) this.look();
    if (this.slot !== null) return this.slot.read(this.bar, this.from + offset, width);
    const address = this.address + offset;
    const slot = bus.answers(this.kind, address);
    if (slot === null) return ones(width);
    const bar = slot.decode(this.kind, address);
    return slot.read(bar, address - slot.barBase(bar), width);
  }

  write(offset: number, width: 8 | 16 | 32, value: number): void {
    if (!(offset < this.size)) return;
    if (this.kind === 'memory') this.bus.post(this, offset, width, value);
    else this.store(offset, width, value);
  }

  /** A write arrives. */
  store(offset: number, width: 8 | 16 | 32, value: number): void {
    if (this.generation !== this.bus.generation) this.look();
    if (this.slot !== null) {
      this.slot.write(this.bar, this.from + offset, width, value);
      return;
    }
    const address = this.address + offset;
    const slot = this.bus.answers(this.kind, address);
    if (slot === null) return;
    const bar = slot.decode(this.kind, address);
    slot.write(bar, address - slot.barBase(bar), width, value);
  }

  private look(): void {
    const { bus, kind, address } = this;
    this.generation = bus.generation;
    this.slot = null;
    const slot = bus.only(kind, address, this.size);
    if (slot === null) return;
    this.bar = slot.covers(kind, address, this.size);
    if (this.bar < 0) return;
    this.slot = slot;
    this.from = address - slot.barBase(this.bar);
  }
}

function ones(width: 8 | 16 | 32): number {
  return (0xffffffff >>> (32 - width)) >>> 0;
}
