/** Detector: the driver writes to a descriptor that the card owns. */
import { RXD, TXD } from '../../device/regs/desc.ts';
import { NIC, QUEUES } from '../../device/regs/nic.ts';
import type { dma_region } from '../../kernel/dma/mapping.ts';
import type { Host, Plugged } from '../machine/host.ts';

/** Head..tail of a ring, as the card's registers have them now. */
interface RingRegisters {
  readonly name: string;
  readonly base: number;
  readonly length: number;
  readonly head: number;
  readonly tail: number;
  readonly control: number;
  readonly stride: number;
  readonly bytes: number;
}

const RX: RingRegisters = {
  name: 'receive',
  base: NIC.RDBA.offset,
  length: NIC.RDLEN.offset,
  head: NIC.RDH.offset,
  tail: NIC.RDT.offset,
  control: NIC.RDCTL.offset,
  stride: NIC.RDBA.stride,
  bytes: RXD.bytes,
};
const TX: RingRegisters = {
  name: 'transmit',
  base: NIC.TDBA.offset,
  length: NIC.TDLEN.offset,
  head: NIC.TDH.offset,
  tail: NIC.TDT.offset,
  control: NIC.TDCTL.offset,
  stride: NIC.TDBA.stride,
  bytes: TXD.bytes,
};

/** Watches every store into coherent memory of a host's cards. */
export function watchDescriptors(host: Host): void {
  host.kernel.trace.dma_coherent_store = (region, offset) => {
    for (const card of host.cards) {
      if (card.slot.slot !== region.dev.name) continue;
      for (let queue = 0; queue < QUEUES; queue++) {
        check(host, card, RX, queue, region, offset);
        check(host, card, TX, queue, region, offset);
      }
    }
  };
}

function check(
  host: Host,
  { nic }: Plugged,
  ring: RingRegisters,
  queue: number,
  region: dma_region,
  offset: number,
): void {
  const at = queue * ring.stride;
  if ((nic.peek(ring.control + at) & 1) === 0 || nic.peek(ring.base + at) !== region.dma_addr) return;
  const count = nic.peek(ring.length + at);
  const index = Math.floor(offset / ring.bytes);
  if (index >= count) return;
  const head = nic.peek(ring.head + at);
  const owned = (nic.peek(ring.tail + at) - head + count) % count;
  if ((index - head + count) % count < owned) {
    host.world.report(
      'descriptor',
      `${host.name}: driver writes ${ring.name} descriptor ${index} of queue ${queue}, which the card owns`,
    );
  }
}
