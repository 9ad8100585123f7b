/** The board: its reset, and blocks of packet memory through the data port (ne2k-pci.c). */
import { NE2000 } from '../../device/regs/ne2000.ts';
import { inb, insw, inw, outb, outsw, outw, udelay } from '../../kernel/include/io.ts';
import {
  E8390_NODMA,
  E8390_PAGE0,
  E8390_RREAD,
  E8390_RWRITE,
  E8390_START,
  type ei_device,
  ei_inb,
  ei_outb,
  NE_DATAPORT,
  NE_RESET,
} from './ne2k.ts';

const { CR, ISR, RSAR0, RSAR1, RBCR0, RBCR1 } = NE2000;
/** How long a reset may take, and the end of a remote write, in µs. */
const RESET_TIMEOUT_US = 20_000;
const RDC_TIMEOUT_US = 20_000;
const POLL_US = 10;

/** Resets board and controller by the reset port. False when the controller does not come back. */
export function ne2k_pci_reset_8390(ei: ei_device): boolean {
  const { io } = ei;
  ei.dmaing = false;
  outb(io, NE_RESET, inb(io, NE_RESET));
  for (let waited = 0; (ei_inb(io, ISR) & ISR.RST.mask) === 0; waited += POLL_US) {
    if (waited > RESET_TIMEOUT_US) return false;
    udelay(io.kernel, POLL_US);
  }
  ei_outb(io, ISR, ISR.writable);
  return true;
}

/** Points the remote DMA at `count` bytes from card address `address` on, and starts it. */
function remote_dma(ei: ei_device, address: number, count: number, command: number): void {
  const { io } = ei;
  ei_outb(io, RBCR0, count & 0xff);
  ei_outb(io, RBCR1, count >> 8);
  ei_outb(io, RSAR0, address & 0xff);
  ei_outb(io, RSAR1, address >> 8);
  ei_outb(io, CR, command | E8390_PAGE0 | E8390_START);
}

/** Somebody began a transfer in the midst of another: it is refused, and reported. */
function busy(ei: ei_device, who: string): boolean {
  if (ei.dmaing) ei.pdev.kernel.printk(`${ei.netdev.name}: DMAing conflict in ${who}`);
  return ei.dmaing;
}

/** The four bytes in front of a received frame: status and next page, then count. -1: the port is in use. */
export function ne2k_pci_get_8390_hdr(ei: ei_device, ring_page: number): number {
  if (busy(ei, 'get_8390_hdr')) return -1;
  const { io } = ei;
  ei.dmaing = true;
  remote_dma(ei, ring_page << 8, 4, E8390_RREAD);
  const low = inw(io, NE_DATAPORT);
  const high = inw(io, NE_DATAPORT);
  ei_outb(io, ISR, ISR.RDC.mask);
  ei.dmaing = false;
  return (low | (high << 16)) >>> 0;
}

/** `count` bytes from card address `ring_offset` on (round the end of the ring) into RAM at `address`. */
export function ne2k_pci_block_input(ei: ei_device, count: number, address: number, ring_offset: number): boolean {
  if (busy(ei, 'block_input')) return false;
  const { io } = ei;
  ei.dmaing = true;
  remote_dma(ei, ring_offset, count, E8390_RREAD);
  insw(io, NE_DATAPORT, address, count >> 1);
  // The last byte of an odd count: a byte access takes the whole word that it lies in.
  if ((count & 1) !== 0) io.kernel.ram.u8[address + count - 1] = inb(io, NE_DATAPORT);
  ei_outb(io, ISR, ISR.RDC.mask);
  ei.dmaing = false;
  return true;
}

/**
 * `count` bytes from RAM at `address` to the transmit pages from `start_page` on, filled up with zeros to `length`.
 * False when the controller does not report the end.
 */
export function ne2k_pci_block_output(
  ei: ei_device,
  count: number,
  length: number,
  address: number,
  start_page: number,
): boolean {
  if (busy(ei, 'block_output')) return false;
  const { io } = ei;
  const even = (length + 1) & ~1;
  ei.dmaing = true;
  ei_outb(io, CR, E8390_PAGE0 | E8390_START | E8390_NODMA);
  ei_outb(io, ISR, ISR.RDC.mask);
  remote_dma(ei, start_page << 8, even, E8390_RWRITE);
  outsw(io, NE_DATAPORT, address, count >> 1);
  let written = count & ~1;
  if (written < count) {
    outw(io, NE_DATAPORT, io.kernel.ram.u8[address + written] as number);
    written += 2;
  }
  for (; written < even; written += 2) outw(io, NE_DATAPORT, 0);
  let done = true;
  for (let waited = 0; done && (ei_inb(io, ISR) & ISR.RDC.mask) === 0; waited += POLL_US) {
    done = waited <= RDC_TIMEOUT_US;
    udelay(io.kernel, POLL_US);
  }
  ei_outb(io, ISR, ISR.RDC.mask);
  ei.dmaing = false;
  return done;
}
