/** The driver's state and its register access, for an NE2000 (drivers/net/ethernet/8390/8390.h). */
import type { Access, Word } from '../../device/regs/describe.ts';
import { DATA_PORT, NE2000, RESET_PORT } from '../../device/regs/ne2000.ts';
import type { PagedReg } from '../../device/regs/paged.ts';
import { inb, type iomem, outb } from '../../kernel/include/io.ts';
import type { net_device } from '../../kernel/include/netdevice.ts';
import type { pci_dev } from '../../kernel/include/pci.ts';

export const DRIVER_NAME = 'ne2k-pci';

/** The board's ports. */
export const NE_DATAPORT = DATA_PORT;
export const NE_RESET = RESET_PORT + 7;
/** Pages of the board's memory: two transmit buffers of six, then the receive ring. */
export const NESM_START_PG = 0x40;
export const NESM_STOP_PG = 0x80;
export const TX_1X_PAGES = 6;
export const TX_2X_PAGES = 2 * TX_1X_PAGES;

const { CR } = NE2000;
/** Commands, always with the remote DMA at rest (E8390_NODMA). */
export const E8390_STOP = CR.STP.mask;
export const E8390_START = CR.STA.mask;
export const E8390_TRANS = CR.TXP.mask;
export const E8390_RREAD = 1 << CR.RD.lsb;
export const E8390_RWRITE = 2 << CR.RD.lsb;
export const E8390_NODMA = 4 << CR.RD.lsb;
export const E8390_PAGE0 = 0;
export const E8390_PAGE1 = 1 << CR.PS.lsb;

const { ISR, RCR, TCR, DCR } = NE2000;
/** What interrupts: everything but the end of a remote DMA. */
export const ENISR_ALL = ISR.PRX.mask | ISR.PTX.mask | ISR.RXE.mask | ISR.TXE.mask | ISR.OVW.mask | ISR.CNT.mask;
export const E8390_RXCONFIG = RCR.AB.mask | RCR.AM.mask;
/** Not into the ring: checked and thrown away. */
export const E8390_RXOFF = RCR.MON.mask;
export const E8390_TXCONFIG = 0;
/** Internal loopback: nothing is received, nothing goes to the wire. */
export const E8390_TXOFF = 1 << TCR.LB.lsb;
/** Words, in the byte order of the PC, normal operation, a FIFO threshold of 8 bytes. */
export const DCR_CONFIG = DCR.WTS.mask | DCR.LS.mask | (2 << DCR.FT.lsb);

/** Most rounds of one interrupt. */
export const MAX_SERVICE = 12;

/** Whether a transmit buffer is free, holds a frame that waits, or is being sent. */
export const TX_EMPTY = 0;
export const TX_READY = 1;
export const TX_SENDING = 2;

/** netdev_priv of an NE2000 (struct ei_device). */
export class ei_device {
  readonly pdev: pci_dev;
  readonly netdev: net_device;
  readonly io: iomem;
  readonly tx_start_page = NESM_START_PG;
  readonly rx_start_page = NESM_START_PG + TX_2X_PAGES;
  readonly stop_page = NESM_STOP_PG;
  /** The page of the frame that is read next: one after BNRY. */
  current_page = 0;
  /** A remote DMA is under way: nobody else may begin one. */
  dmaing = false;
  /** The two transmit buffers, and the bytes in each. */
  readonly tx_state: [number, number] = [TX_EMPTY, TX_EMPTY];
  readonly tx_length: [number, number] = [0, 0];
  /** The card is gone (reads give all-ones). */
  removed = false;
  overruns = 0;
  resets = 0;

  constructor(pdev: pci_dev, netdev: net_device, io: iomem) {
    this.pdev = pdev;
    this.netdev = netdev;
    this.io = io;
  }
}

export function netdev_priv(dev: net_device): ei_device {
  return dev.priv as ei_device;
}

/** Reads a register of the page that is selected. A write-only one does not compile. */
export function ei_inb<R extends string>(io: iomem, reg: PagedReg<R, Exclude<Access, 'wo'>>): Word<R> {
  return inb(io, reg.offset);
}

/** Writes a register of the page that is selected. A read-only one does not compile. */
export function ei_outb<R extends string>(
  io: iomem,
  reg: PagedReg<R, Exclude<Access, 'ro' | 'rc'>>,
  value: Word<NoInfer<R>>,
): void {
  outb(io, reg.offset, value);
}
