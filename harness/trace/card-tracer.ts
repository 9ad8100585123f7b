/** The card's part of a trace: its tracepoints, and which packet lies in which buffer. */
import { TO_BROADCAST, TO_MULTICAST } from '../../device/filter.ts';
import type { Plugged } from '../machine/host.ts';
import * as say from './say.ts';
import { hook } from './slots.ts';
import { cardStageOf, laneOf } from './stages.ts';
import type { Tracer } from './tracer.ts';

/** What passes between a card and its host without an sk_buff: by address. */
export class Buffers {
  /** Packet by the RAM address that a card has written a frame to, until an skb takes it up; and by that of one to be sent. */
  readonly arrived = new Map<number, number>();
  readonly toSend = new Map<number, number>();
  /** NE2000: the packet that a driver writes to the card right now; and by the card address it wrote it to. */
  handing = 0;
  readonly inPages = new Map<number, number>();
  /** NE2000: a packet is about to be read into the skb allocated last. */
  read: ((packet: number, length: number) => void) | null = null;
}

/** Hooks a card's tracepoints; gives what undoes it. */
export function traceCard(tracer: Tracer, host: string, { nic, slot }: Plugged, buffers: Buffers): (() => void)[] {
  const { trace } = nic;
  const pass = (stage: string, packet: number, length: number, text: string): void =>
    tracer.emit(nic.time, host, -1, stage, laneOf(stage), packet, 0, length, text);
  const drop = (stage: string, packet: number, text: string, reason: string): void => {
    const where = cardStageOf(stage === 'rx_dropped', reason);
    tracer.emit(nic.time, host, -1, stage, 'card', packet, 0, 0, text, reason, where, slot.slot);
  };
  return [
    hook(trace, 'frame_arrived', (id, length) =>
      pass('frame_arrived', id, length, `${say.bytes(length)}: the last bit is in`),
    ),
    hook(trace, 'rx_filter', (id, match) => {
      const kind = match === TO_MULTICAST ? 'a group’s' : match === TO_BROADCAST ? 'everybody’s' : 'a station’s';
      pass('rx_filter', id, 0, `${kind} address: let in`);
    }),
    hook(trace, 'rx_stored', (id, page, length) => {
      const last = say.lastPage(nic.ring, page, length);
      const pages = last === page ? `page ${say.hex(page)}` : `pages ${say.hex(page)} to ${say.hex(last)}`;
      pass('rx_stored', id, length, `in packet memory, ${pages}; CURR is ${say.hex(nic.ring.curr)}`);
    }),
    hook(trace, 'rx_dma', (id, queue, index, address, length) => {
      const ram = slot.iommu.peek(address);
      if (id !== 0 && ram !== 0) buffers.arrived.set(ram, id);
      const ring = queue === 0 ? '' : ` of queue ${queue}`;
      pass('rx_dma', id, length, `to I/O address ${say.hex(address)}, for descriptor ${index}${ring}`);
    }),
    hook(trace, 'rx_done', (id, _queue, index) =>
      pass('rx_done', id, 0, `descriptor ${index} is done: the host owns it`),
    ),
    hook(trace, 'rx_dropped', (id, reason) => drop('rx_dropped', id, 'dropped', reason)),
    hook(trace, 'tx_gather', (address, length) => {
      const ram = slot.iommu.peek(address);
      const known = ram === 0 ? buffers.inPages.get(address) : buffers.toSend.get(ram);
      const packet = known ?? tracer.newPacket();
      if (ram !== 0) buffers.toSend.delete(ram);
      tracer.sends(packet, host);
      const from = ram === 0 ? `card address ${say.hex(address)}` : `I/O address ${say.hex(address)}`;
      pass('tx_gather', packet, length, `${say.bytes(length)} from ${from}`);
      return packet;
    }),
    hook(trace, 'tx_start', (id, length) => pass('tx_start', id, length, `${say.bytes(length)}: the first bit leaves`)),
    hook(trace, 'tx_done', (id, length) => pass('tx_done', id, length, `${say.bytes(length)}: the last bit has left`)),
    hook(trace, 'tx_dropped', (id, reason) => drop('tx_dropped', id, 'not sent', reason)),
    hook(trace, 'remote_read', (id, address, length) => {
      // Four bytes are a header's: the driver looks where the frame ends.
      if (id === 0 || (address & 0xff) === 0) return;
      buffers.read?.(id, length);
      pass('remote_read', id, length, `read through the data port from ${say.hex(address)}`);
    }),
    hook(trace, 'remote_write', (address, length) => {
      if (buffers.handing === 0) return;
      buffers.inPages.set(address, buffers.handing);
      pass('remote_write', buffers.handing, length, `written through the data port to ${say.hex(address)}`);
    }),
    hook(trace, 'irq', level =>
      pass('irq', 0, 0, level ? 'the interrupt pin is asserted' : 'the interrupt pin is released'),
    ),
    hook(trace, 'message', vector => pass('message', 0, 0, `vector ${vector}: a message is sent`)),
  ];
}
