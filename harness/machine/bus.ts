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
  /** Posted writes under way. */
  private readonly addresses = new Float64Array(QUEUE);
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
  }

  mapMemory(address: number, size: number): BusWindow {
    return new MemoryWindow(this, address, size);
  }

  mapPorts(port: number, size: number): BusWindow {
    return new PortWindow(this, port, size);
  }

  sync(): void {
    if (this.count > 0) this.deliverDue();
    for (let i = 0; i < this.slots.length; i++) (this.slots[i] as CardSlot).sync();
  }

  /** A read pushes every posted write before it. */
  readMemory(address: number, width: 8 | 16 | 32): number {
    if (this.count > 0) this.deliver(Infinity);
    return this.read('memory', address, width);
  }

  writeMemory(address: number, width: 8 | 16 | 32, value: number): void {
    if (this.postedNs === 0) {
      this.write('memory', address, width, value);
      return;
    }
    if (this.count === QUEUE) this.deliver(Infinity);
    const i = (this.head + this.count) & (QUEUE - 1);
    this.addresses[i] = address;
    this.widths[i] = width;
    this.values[i] = value;
    this.due[i] = this.clock.now + this.postedNs;
    this.count++;
    if (this.count === 1) this.clock.schedule(this.event, this.due[i] as number);
  }

  read(kind: 'memory' | 'io', address: number, width: 8 | 16 | 32): number {
    for (let i = 0; i < this.slots.length; i++) {
      const slot = this.slots[i] as CardSlot;
      const bar = slot.decode(kind, address);
      if (bar >= 0) return slot.read(bar, address - slot.barBase(bar), width);
    }
    return width === 32 ? 0xffffffff : width === 16 ? 0xffff : 0xff;
  }

  write(kind: 'memory' | 'io', address: number, width: 8 | 16 | 32, value: number): void {
    for (let i = 0; i < this.slots.length; i++) {
      const slot = this.slots[i] as CardSlot;
      const bar = slot.decode(kind, address);
      if (bar >= 0) {
        slot.write(bar, address - slot.barBase(bar), width, value);
        return;
      }
    }
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
      this.write('memory', this.addresses[i] as number, this.widths[i] as 8 | 16 | 32, this.values[i] as number);
      this.clock.now = now;
    }
    this.flushing = false;
  }
}

class MemoryWindow implements BusWindow {
  private readonly bus: HostBus;
  private readonly address: number;
  private readonly size: number;

  constructor(bus: HostBus, address: number, size: number) {
    this.bus = bus;
    this.address = address;
    this.size = size;
  }

  read(offset: number, width: 8 | 16 | 32): number {
    return offset < this.size ? this.bus.readMemory(this.address + offset, width) : (0xffffffff >>> (32 - width)) >>> 0;
  }

  write(offset: number, width: 8 | 16 | 32, value: number): void {
    if (offset < this.size) this.bus.writeMemory(this.address + offset, width, value);
  }
}

class PortWindow implements BusWindow {
  private readonly bus: HostBus;
  private readonly port: number;
  private readonly size: number;

  constructor(bus: HostBus, port: number, size: number) {
    this.bus = bus;
    this.port = port;
    this.size = size;
  }

  read(offset: number, width: 8 | 16 | 32): number {
    return offset < this.size ? this.bus.read('io', this.port + offset, width) : (0xffffffff >>> (32 - width)) >>> 0;
  }

  write(offset: number, width: 8 | 16 | 32, value: number): void {
    if (offset < this.size) this.bus.write('io', this.port + offset, width, value);
  }
}
