import { describePaged, type PagedSpecs } from './paged.ts';

/** PCI identity: a Realtek RTL8029, the NE2000 for PCI. */
export const NE2000_VENDOR_ID = 0x10ec;
export const NE2000_DEVICE_ID = 0x8029;
export const NE2000_REVISION = 0;
/** Ports in BAR 0. */
export const NE2000_PORTS = 32;

/** The board's ports behind the controller's sixteen. */
export const DATA_PORT = 0x10;
export const DATA_PORTS = 8;
export const RESET_PORT = 0x18;
export const RESET_PORTS = 8;

/** CR.RD: what the remote DMA channel does. */
export const RD_READ = 1;
export const RD_WRITE = 2;
export const RD_SEND = 3;
export const RD_ABORT = 4;

/** The registers, page by page, in the order of the DP8390D datasheet's "Register Address Assignments". */
export const NE2000_SPECS = {
  CR: {
    at: 0x00,
    read: 'all',
    write: 'all',
    access: 'rw',
    reset: 0x21,
    doc: 'Command',
    notes:
      'Reads give what was written last, TXP while a frame is being sent. STP stops the controller: nothing is received, no transmission and no remote DMA begins, ISR.RST is set as soon as a transmission under way has ended. STA with STP clear starts it and clears ISR.RST. With both clear it stays as it is.',
    fields: {
      STP: [0, 1, 'Stop: the reset state of N2.2'],
      STA: [1, 1, 'Start'],
      TXP: [
        2,
        1,
        'Transmit packet: TBCR bytes from page TPSR on. Stays 1 until the frame has left; writing 0 does nothing',
      ],
      RD: [3, 3, 'Remote DMA: 1 read, 2 write, 3 send packet, 4–7 abort; 0 is not allowed and does nothing'],
      PS: [6, 2, 'Page select'],
    },
  },
  // Page 0.
  CLDA0: {
    at: 0x01,
    read: 0,
    write: 2,
    access: 'rw',
    reset: 0,
    doc: 'Current local DMA address, low',
    notes:
      'Where the controller wrote or read last: page CURR after a reception, the end of the frame after a transmission. Writable on page 2, for diagnostics.',
    fields: {},
  },
  CLDA1: { at: 0x02, read: 0, write: 2, access: 'rw', reset: 0, doc: 'Current local DMA address, high', fields: {} },
  PSTART: {
    at: 0x01,
    read: 2,
    write: 0,
    access: 'rw',
    reset: 0,
    doc: 'Page start: the first page of the receive ring',
    fields: {},
  },
  PSTOP: { at: 0x02, read: 2, write: 0, access: 'rw', reset: 0, doc: 'Page stop: the page after the ring', fields: {} },
  BNRY: {
    at: 0x03,
    read: 0,
    write: 0,
    access: 'rw',
    reset: 0,
    doc: 'Boundary: the first page that the host has not given back',
    notes:
      'Reception never enters this page (N3.2). A write ends the full state and clears an ISR.RST that came of an overflow.',
    fields: {},
  },
  TSR: {
    at: 0x04,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'Transmit status',
    notes: 'Cleared by the next TXP. COL, ABT, FU and OWC never happen on this full-duplex wire.',
    fields: {
      PTX: [0, 1, 'Packet transmitted'],
      COL: [2, 1, 'Collided at least once'],
      ABT: [3, 1, 'Aborted after sixteen collisions'],
      CRS: [4, 1, 'Carrier sense lost: the link is down; always in loopback mode 1'],
      FU: [5, 1, 'FIFO underrun'],
      CDH: [6, 1, 'Collision detect heartbeat missing: always in loopback modes 1 and 2'],
      OWC: [7, 1, 'Out of window collision'],
    },
  },
  TPSR: { at: 0x04, read: 2, write: 0, access: 'rw', reset: 0, doc: 'Transmit page start', fields: {} },
  NCR: {
    at: 0x05,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'Number of collisions of the last transmission: always 0',
    fields: {},
  },
  TBCR0: { at: 0x05, read: 'none', write: 0, access: 'wo', reset: 0, doc: 'Transmit byte count, low', fields: {} },
  FIFO: {
    at: 0x06,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'FIFO, one location further with each read',
    notes: 'Defined in loopback only (N4.3): the last bytes of the looped packet and its byte count. 0 otherwise.',
    fields: {},
  },
  TBCR1: { at: 0x06, read: 'none', write: 0, access: 'wo', reset: 0, doc: 'Transmit byte count, high', fields: {} },
  ISR: {
    at: 0x07,
    read: 0,
    write: 0,
    access: 'w1c',
    reset: 0x80,
    writable: 0x7f,
    doc: 'Interrupt status',
    notes:
      'The interrupt line is asserted while (ISR & IMR) is not 0. RST is a status, not a cause: writes do not clear it.',
    fields: {
      PRX: [0, 1, 'Packet received without error, and stored'],
      PTX: [1, 1, 'Packet transmitted'],
      RXE: [2, 1, 'Receive error: CRC, alignment, or a packet missed because the ring was full'],
      TXE: [3, 1, 'Transmit error: never on this wire'],
      OVW: [4, 1, 'Overwrite warning: a packet was missed because the ring was full'],
      CNT: [5, 1, 'A tally counter has reached 128'],
      RDC: [6, 1, 'Remote DMA complete'],
      RST: [7, 1, 'Reset state; also set by an overflow, until pages are given back'],
    },
  },
  CRDA0: {
    at: 0x08,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'Current remote DMA address, low',
    fields: {},
  },
  CRDA1: {
    at: 0x09,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'Current remote DMA address, high',
    fields: {},
  },
  RSAR0: {
    at: 0x08,
    read: 'none',
    write: 0,
    access: 'wo',
    reset: 0,
    doc: 'Remote start address, low',
    notes: 'The address counter itself: CRDA shows it, and an aborted transfer leaves it where it was.',
    fields: {},
  },
  RSAR1: { at: 0x09, read: 'none', write: 0, access: 'wo', reset: 0, doc: 'Remote start address, high', fields: {} },
  ID0: { at: 0x0a, read: 0, write: 'none', access: 'ro', reset: 0x50, doc: 'RTL8029 identity, low: "P"', fields: {} },
  ID1: { at: 0x0b, read: 0, write: 'none', access: 'ro', reset: 0x43, doc: 'RTL8029 identity, high: "C"', fields: {} },
  RBCR0: {
    at: 0x0a,
    read: 'none',
    write: 0,
    access: 'wo',
    reset: 0,
    doc: 'Remote byte count, low',
    notes: 'The counter itself. A command with the count at 0 moves nothing and sets ISR.RDC at once.',
    fields: {},
  },
  RBCR1: { at: 0x0b, read: 'none', write: 0, access: 'wo', reset: 0, doc: 'Remote byte count, high', fields: {} },
  RSR: {
    at: 0x0c,
    read: 0,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'Receive status of the last packet that was meant for us',
    notes: 'The first byte of a stored packet’s header is this, without DIS.',
    fields: {
      PRX: [0, 1, 'Received intact'],
      CRC: [1, 1, 'CRC error; also with an alignment error'],
      FAE: [2, 1, 'Frame alignment error'],
      FO: [3, 1, 'FIFO overrun: never'],
      MPA: [4, 1, 'Missed packet: the ring was full, or monitor mode'],
      PHY: [5, 1, 'The destination was a multicast or broadcast address'],
      DIS: [6, 1, 'Receiver disabled: RCR.MON is 1'],
      DFR: [7, 1, 'Deferring: never on this wire'],
    },
  },
  RCR: {
    at: 0x0c,
    read: 2,
    write: 0,
    access: 'rw',
    reset: 0,
    doc: 'Receive configuration',
    fields: {
      SEP: [0, 1, 'Save errored packets'],
      AR: [1, 1, 'Accept runts: packets of fewer than 60 bytes, but at least 6'],
      AB: [2, 1, 'Accept broadcast'],
      AM: [3, 1, 'Accept multicast that the hash table in MAR lets pass'],
      PRO: [4, 1, 'Promiscuous physical: every unicast; AB and AM still judge the rest'],
      MON: [5, 1, 'Monitor: packets are checked and counted in CNTR2, not stored'],
    },
  },
  CNTR0: {
    at: 0x0d,
    read: 0,
    write: 'none',
    access: 'rc',
    reset: 0,
    doc: 'Tally: frame alignment errors',
    notes: 'All three counters stop at 192 and are cleared by a read; ISR.CNT when one reaches 128.',
    fields: {},
  },
  TCR: {
    at: 0x0d,
    read: 2,
    write: 0,
    access: 'rw',
    reset: 0,
    doc: 'Transmit configuration',
    fields: {
      CRC: [0, 1, 'Inhibit CRC: the last four bytes of the buffer are the FCS'],
      LB: [1, 2, 'Loopback mode (N4.3): 0 none, 1 controller, 2 encoder/decoder, 3 transceiver'],
      ATD: [3, 1, 'Auto transmit disable: a multicast of hash index 62 holds the transmitter, 63 releases it'],
      OFST: [4, 1, 'Collision offset: without effect'],
    },
  },
  CNTR1: { at: 0x0e, read: 0, write: 'none', access: 'rc', reset: 0, doc: 'Tally: CRC errors', fields: {} },
  DCR: {
    at: 0x0e,
    read: 2,
    write: 0,
    access: 'rw',
    reset: 0x04,
    doc: 'Data configuration',
    fields: {
      WTS: [0, 1, 'Word transfer select: the data port moves words'],
      BOS: [1, 1, 'Byte order: with WTS, packets lie in memory with the bytes of each word exchanged'],
      LAS: [2, 1, 'Long address: set by a reset; without effect on this board'],
      LS: [3, 1, 'Loopback select (1: normal operation): TCR.LB alone decides here'],
      AR: [4, 1, 'Auto-initialize remote: the send packet command is carried out'],
      FT: [5, 2, 'FIFO threshold: without effect'],
    },
  },
  CNTR2: { at: 0x0f, read: 0, write: 'none', access: 'rc', reset: 0, doc: 'Tally: missed packets', fields: {} },
  IMR: {
    at: 0x0f,
    read: 2,
    write: 0,
    access: 'rw',
    reset: 0,
    doc: 'Interrupt mask: which bits of ISR assert the line',
    fields: {
      PRXE: [0, 1, 'Packet received'],
      PTXE: [1, 1, 'Packet transmitted'],
      RXEE: [2, 1, 'Receive error'],
      TXEE: [3, 1, 'Transmit error'],
      OVWE: [4, 1, 'Overwrite warning'],
      CNTE: [5, 1, 'Counter'],
      RDCE: [6, 1, 'Remote DMA complete'],
    },
  },
  // Page 1.
  PAR0: {
    at: 0x01,
    read: 1,
    write: 1,
    access: 'rw',
    reset: 0,
    doc: 'Physical address, first byte on the wire',
    fields: {},
  },
  PAR1: { at: 0x02, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Physical address', fields: {} },
  PAR2: { at: 0x03, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Physical address', fields: {} },
  PAR3: { at: 0x04, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Physical address', fields: {} },
  PAR4: { at: 0x05, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Physical address', fields: {} },
  PAR5: { at: 0x06, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Physical address, last byte', fields: {} },
  CURR: {
    at: 0x07,
    read: 1,
    write: 1,
    access: 'rw',
    reset: 0,
    doc: 'Current page: where the next packet begins',
    notes: 'The controller moves it; the host writes it once, before the start. A write ends the full state.',
    fields: {},
  },
  MAR0: { at: 0x08, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 0–7', fields: {} },
  MAR1: { at: 0x09, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 8–15', fields: {} },
  MAR2: { at: 0x0a, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 16–23', fields: {} },
  MAR3: { at: 0x0b, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 24–31', fields: {} },
  MAR4: { at: 0x0c, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 32–39', fields: {} },
  MAR5: { at: 0x0d, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 40–47', fields: {} },
  MAR6: { at: 0x0e, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 48–55', fields: {} },
  MAR7: { at: 0x0f, read: 1, write: 1, access: 'rw', reset: 0, doc: 'Multicast hash table, indices 56–63', fields: {} },
  // Page 2: the configuration of page 0 read back, and counters for diagnostics.
  RNPP: {
    at: 0x03,
    read: 2,
    write: 2,
    access: 'rw',
    reset: 0,
    doc: 'Remote next packet pointer: kept, unused',
    fields: {},
  },
  LNPP: {
    at: 0x05,
    read: 2,
    write: 2,
    access: 'rw',
    reset: 0,
    doc: 'Local next packet pointer: kept, unused',
    fields: {},
  },
  AC1: { at: 0x06, read: 2, write: 2, access: 'rw', reset: 0, doc: 'Address counter, high: kept, unused', fields: {} },
  AC0: { at: 0x07, read: 2, write: 2, access: 'rw', reset: 0, doc: 'Address counter, low: kept, unused', fields: {} },
  // Page 3: RTL8029.
  CONFIG0: {
    at: 0x03,
    read: 3,
    write: 'none',
    access: 'ro',
    reset: 0,
    doc: 'RTL8029 configuration 0: 10BaseT, no BNC',
    fields: {},
  },
  CONFIG2: {
    at: 0x05,
    read: 3,
    write: 'none',
    access: 'ro',
    reset: 0x40,
    doc: 'RTL8029 configuration 2: 10BaseT is the medium',
    fields: {},
  },
  CONFIG3: {
    at: 0x06,
    read: 3,
    write: 'none',
    access: 'ro',
    reset: 0x40,
    doc: 'RTL8029 configuration 3: full duplex',
    fields: {},
  },
} as const satisfies PagedSpecs;

export type Ne2000Specs = typeof NE2000_SPECS;

/** Every register of the NE2000's controller. */
export const NE2000 = describePaged(NE2000_SPECS);

/** The four bytes in front of a received packet. */
export const NE2000_HEADER = Object.freeze({ STATUS: 0, NEXT: 1, COUNT_LOW: 2, COUNT_HIGH: 3, BYTES: 4 });

/** The PROM: 32 bytes at remote address 0, each of its 16 values twice. The signature of a 16-bit board at its end. */
export const PROM_BYTES = 32;
export const PROM_SIGNATURE = 0x57;
