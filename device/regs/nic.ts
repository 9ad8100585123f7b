/**
 * The native register file, BAR0, 2 KiB, memory-mapped. This is the datasheet: offsets, access rights, reset values,
 * fields and prose are written here and nowhere else.
 */
import { describe, type FieldSpec, type RegSpecs } from './describe.ts';

/** PCI identity of the native card. 1234h is the vendor id emulators share for devices that exist only in software. */
export const NIC_VENDOR_ID = 0x1234;
export const NIC_DEVICE_ID = 0x5249;
export const NIC_REVISION = 1;
/** Value of the ID register: 'R','I' and the revision. */
export const NIC_ID = 0x52490001;
/** Size of BAR0 in bytes. */
export const NIC_BAR_SIZE = 0x800;
/** Bytes in a page of packet memory, and the first page's number (as on the NE2000). */
export const PAGE_SIZE = 256;
export const FIRST_PAGE = 0x40;
/** Number of receive and of transmit queues. */
export const QUEUES = 1;
const QUEUE_STRIDE = 0x40;

/** Interrupt causes: the same bits in ISR, IMS, IMC and ICS. */
const causes = {
  RX: [0, 1, 'A frame was received: its descriptor is done, or, with CTRL.PIO, it is in the page ring.'],
  TX: [1, 1, 'A frame was sent, and its last descriptor asked for a report (RS), or it was sent by PTX.'],
  RXDU: [2, 1, 'Receive descriptor unavailable: a frame waits in packet memory because the queue has no descriptor.'],
  TXE: [3, 1, 'A frame was discarded by the transmitter (TXD.STATUS.ERR, or after PTX).'],
  OVW: [4, 1, 'Overwrite warning: a frame was refused because the page ring was full. Counted in MPC.'],
  CNT: [5, 1, 'A statistics counter reached 80000000h.'],
  RDC: [6, 1, 'Remote DMA complete: RBCR reached 0.'],
  RST: [7, 1, 'Reset complete: the card answers again.'],
  LSC: [8, 1, 'The link came up or went down.'],
  DMAE: [9, 1, 'A bus-master access faulted (§2.5).'],
} as const satisfies Record<string, FieldSpec>;

const stat = (at: number, doc: string) => ({ at, access: 'rc', reset: 0, doc, fields: {} }) as const;
const perQueue = { count: QUEUES, stride: QUEUE_STRIDE } as const;

const SPECS = {
  ID: {
    at: 0x000,
    access: 'ro',
    reset: NIC_ID,
    doc: 'Identification',
    notes: 'A driver reads it first: any other value, all-ones in particular, means that there is no card.',
    fields: { REV: [0, 16, 'Revision.'], DEVICE: [16, 16, 'Always 5249h.'] },
  },
  CTRL: {
    at: 0x004,
    access: 'rw',
    reset: 0,
    doc: 'Control',
    fields: {
      RST: [
        0,
        1,
        'Write 1: software reset (§4.2). Reads 1 until the reset is complete; other bits of the same write are lost.',
      ],
      RXE: [
        1,
        1,
        'Receiver on. 0→1 sets CURR to PSTART and BNRY to PSTOP−1 and so empties the ring. 1→0 lets the receive engine finish the frame that it is moving and then stops it.',
      ],
      TXE: [2, 1, 'Transmitter on. 1→0 lets the frame on the wire finish and then stops.'],
      PIO: [
        3,
        1,
        'Programmed I/O: the host owns BNRY, reads frames by remote DMA and sends them by PTX; the descriptor rings stand still. May change only while RXE is 0.',
      ],
    },
  },
  STATUS: {
    at: 0x008,
    access: 'ro',
    reset: 0x00000001,
    doc: 'Status',
    notes: 'A reset does not touch the link: LU, FD and SPEED tell it at all times. The link comes up with the power.',
    fields: {
      RDY: [0, 1, 'The card is ready: 0 from a reset until it is complete.'],
      LU: [1, 1, 'Link up.'],
      FD: [2, 1, 'Full duplex.'],
      TXB: [4, 1, 'Transmitter busy: a frame is in the transmit pages, being gathered or on the wire.'],
      RXW: [5, 1, 'Receiver waiting: a frame in packet memory has no descriptor to go to.'],
      SPEED: [16, 16, 'Link rate in units of 10 Mbit/s; 0 while the link is down, FFFFh for an instant wire.'],
    },
  },
  EERD: {
    at: 0x00c,
    access: 'rw',
    reset: 0,
    doc: 'EEPROM read',
    notes:
      'Write START with ADDR; poll until DONE; DATA then holds the word. A read takes about 20 µs. Starting another one while DONE is 0 is a violation and is ignored. Words 0–2 are the station address, low byte first.',
    writable: 0x0000ff01,
    fields: {
      START: [0, 1, 'Write 1: start a read. Reads 0.'],
      DONE: [1, 1, 'The last read is complete.'],
      ADDR: [8, 8, 'Word address, 0 to 63.'],
      DATA: [16, 16, 'The word that was read.'],
    },
  },
  MAC0: {
    at: 0x010,
    access: 'rw',
    reset: 0,
    doc: 'Station address, bytes 0–3',
    notes: 'Byte 0 (first on the wire) in bits 7:0. 0 after reset: the driver reads the EEPROM and writes it here.',
    fields: {},
  },
  MAC1: {
    at: 0x014,
    access: 'rw',
    reset: 0,
    doc: 'Station address, bytes 4–5',
    fields: { ADDR: [0, 16, 'Byte 4 in bits 7:0, byte 5 in bits 15:8.'] },
  },
  MAR0: {
    at: 0x018,
    access: 'rw',
    reset: 0,
    doc: 'Multicast hash table, bits 0–31',
    notes: 'The index is the upper six bits of the CRC-32 register over the destination address (as on the DP8390).',
    fields: {},
  },
  MAR1: { at: 0x01c, access: 'rw', reset: 0, doc: 'Multicast hash table, bits 32–63', fields: {} },
  RCR: {
    at: 0x020,
    access: 'rw',
    reset: 0,
    doc: 'Receive configuration',
    fields: {
      SEP: [0, 1, 'Save errored packets: store frames with FCS or alignment errors, marked as such.'],
      AR: [1, 1, 'Accept runts: store frames shorter than 60 bytes (14 at least), as they are.'],
      AB: [2, 1, 'Accept broadcast.'],
      AM: [3, 1, 'Accept multicast that the hash table selects.'],
      PRO: [4, 1, 'Promiscuous: accept every frame.'],
      AMA: [5, 1, 'Accept all multicast.'],
      KEEP: [6, 1, 'Keep the FCS: four more bytes in the buffer and in RXD.LEN.'],
    },
  },
  TCR: {
    at: 0x024,
    access: 'rw',
    reset: 0,
    doc: 'Transmit configuration',
    fields: {
      CRCI: [0, 1, 'Inhibit FCS: the last four bytes of the frame are sent as its FCS.'],
      PAD: [1, 1, 'Pad frames shorter than 60 bytes with zeros.'],
    },
  },
  MAXLEN: {
    at: 0x028,
    access: 'rw',
    reset: 1514,
    doc: 'Longest frame accepted, in bytes without FCS',
    notes: 'Longer ones are giants: counted in GIANT and not stored.',
    fields: { BYTES: [0, 16, 'Bytes.'] },
  },
  ISR: {
    at: 0x040,
    access: 'w1c',
    reset: 0x80,
    doc: 'Interrupt status',
    notes:
      'Reading has no side effect. The pin is asserted while (ISR & mask) is not 0. During a reset ISR reads 0; the reset value is that of a completed one.',
    fields: causes,
  },
  IMS: {
    at: 0x044,
    access: 'w1s',
    reset: 0,
    doc: 'Interrupt mask set',
    notes: 'Writing 1 enables a cause. Reads give the mask.',
    fields: causes,
  },
  IMC: {
    at: 0x048,
    access: 'wo',
    reset: 0,
    doc: 'Interrupt mask clear',
    notes: 'Writing 1 disables a cause.',
    fields: causes,
  },
  ICS: {
    at: 0x04c,
    access: 'wo',
    reset: 0,
    doc: 'Interrupt cause set',
    notes: 'Writing 1 raises a cause by software.',
    fields: causes,
  },
  PSTART: {
    at: 0x080,
    access: 'rw',
    reset: 0x46,
    doc: 'First page of the receive ring',
    notes: 'May change only while CTRL.RXE is 0. 40h ≤ PSTART < PSTOP; the ring has at least two pages.',
    fields: { PAGE: [0, 16, 'Page number.'] },
  },
  PSTOP: {
    at: 0x084,
    access: 'rw',
    reset: 0x50,
    doc: 'Page after the last page of the receive ring',
    notes:
      'The reset value is the end of packet memory: 50h with 4 KiB, 80h with 16 KiB. May change only while CTRL.RXE is 0.',
    fields: { PAGE: [0, 16, 'Page number.'] },
  },
  CURR: {
    at: 0x088,
    access: 'ro',
    reset: 0x46,
    doc: 'Current page: where the card writes next',
    fields: { PAGE: [0, 16, 'Page number.'] },
  },
  BNRY: {
    at: 0x08c,
    access: 'rw',
    reset: 0x4f,
    doc: 'Boundary: the last page given back',
    notes:
      'The card never writes to this page or beyond it. With CTRL.PIO the host writes it (the page before the next unread frame); otherwise the receive engine moves it and a host write is a violation and is ignored.',
    fields: { PAGE: [0, 16, 'Page number.'] },
  },
  TPSR: {
    at: 0x090,
    access: 'rw',
    reset: 0x40,
    doc: 'Transmit page start',
    notes:
      'The frame being sent lies from here up to PSTART (or to the end of packet memory when TPSR is above the ring). May change only while STATUS.TXB is 0.',
    fields: { PAGE: [0, 16, 'Page number.'] },
  },
  PMSZ: {
    at: 0x094,
    access: 'ro',
    reset: 0x00104000,
    doc: 'Packet memory size',
    notes: 'PAGES is 10h with 4 KiB, 40h with 16 KiB.',
    fields: { BASE: [0, 16, 'Card address of the first byte: 4000h.'], PAGES: [16, 16, 'Number of 256-byte pages.'] },
  },
  PTX: {
    at: 0x098,
    access: 'rw',
    reset: 0,
    doc: 'Programmed transmit',
    notes:
      'With CTRL.PIO: writing GO sends the COUNT bytes that start at page TPSR. GO reads 1 until the frame has left. Writing while GO or STATUS.TXB is 1, or without CTRL.PIO and TXE, is a violation and is ignored.',
    fields: { COUNT: [0, 16, 'Bytes to send, without FCS.'], GO: [31, 1, 'Write 1: send. Reads 1 while sending.'] },
  },
  RSAR: {
    at: 0x0a0,
    access: 'rw',
    reset: 0x4000,
    doc: 'Remote start address',
    notes:
      'Card address (4000h is the first byte of packet memory) of the next data port access. Advances with each; wraps from PSTOP to PSTART.',
    fields: { ADDR: [0, 16, 'Card address in bytes.'] },
  },
  RBCR: {
    at: 0x0a4,
    access: 'rw',
    reset: 0,
    doc: 'Remote byte count',
    notes: 'Bytes that the data port may still move. Counts down; at 0 ISR.RDC is set and the port is dead.',
    fields: { COUNT: [0, 16, 'Bytes.'] },
  },
  DATA: {
    at: 0x0a8,
    access: 'rw',
    reset: 0,
    widths: [8, 16, 32],
    doc: 'Remote DMA data port',
    notes:
      'A read or write moves 1, 2 or 4 bytes (the width of the access), low byte first, between the host and packet memory at RSAR. Outside packet memory, or with RBCR 0: reads give all-ones, writes are lost, and either is a violation.',
    fields: {},
  },
  RDBA: {
    at: 0x100,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Receive ring: base I/O address',
    notes: 'A multiple of 16. May change only while RDCTL.EN is 0.',
    writable: 0xfffffff0,
    fields: {},
  },
  RDBAH: {
    at: 0x104,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Receive ring: reserved for base address bits 63:32',
    writable: 0,
    fields: {},
  },
  RDLEN: {
    at: 0x108,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Receive ring: number of descriptors',
    notes: 'Two to 4096. One descriptor is always left unused. May change only while RDCTL.EN is 0.',
    fields: { COUNT: [0, 13, 'Descriptors.'] },
  },
  RDH: {
    at: 0x10c,
    ...perQueue,
    access: 'ro',
    reset: 0,
    doc: 'Receive ring: head',
    notes: 'The descriptor that the card fills next. Set to 0 when RDCTL.EN goes from 0 to 1.',
    fields: { INDEX: [0, 13, 'Descriptor index.'] },
  },
  RDT: {
    at: 0x110,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Receive ring: tail',
    notes:
      'The descriptor after the last one that the card may fill: RDH = RDT means none. Writing it is the doorbell.',
    fields: { INDEX: [0, 13, 'Descriptor index.'] },
  },
  RDCTL: {
    at: 0x114,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Receive ring: control',
    fields: {
      EN: [0, 1, 'Queue on. 1→0 stops it; frames that wait for a descriptor stay in packet memory.'],
      DROP: [
        1,
        1,
        'Drop and count (RNBC) instead of holding frames in packet memory when no descriptor is free or the queue is off.',
      ],
      BSIZE: [
        16,
        16,
        'Size of every receive buffer of this queue in bytes. 0 is a violation: the queue stays off. May change only while EN is 0.',
      ],
    },
  },
  TDBA: {
    at: 0x200,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Transmit ring: base I/O address',
    notes: 'A multiple of 16. May change only while TDCTL.EN is 0.',
    writable: 0xfffffff0,
    fields: {},
  },
  TDBAH: {
    at: 0x204,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Transmit ring: reserved for base address bits 63:32',
    writable: 0,
    fields: {},
  },
  TDLEN: {
    at: 0x208,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Transmit ring: number of descriptors',
    notes: 'Two to 4096. May change only while TDCTL.EN is 0.',
    fields: { COUNT: [0, 13, 'Descriptors.'] },
  },
  TDH: {
    at: 0x20c,
    ...perQueue,
    access: 'ro',
    reset: 0,
    doc: 'Transmit ring: head',
    notes: 'The descriptor that the card fetches next. Set to 0 when TDCTL.EN goes from 0 to 1.',
    fields: { INDEX: [0, 13, 'Descriptor index.'] },
  },
  TDT: {
    at: 0x210,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Transmit ring: tail',
    notes: 'The descriptor after the last one that the card may send. Writing it is the doorbell.',
    fields: { INDEX: [0, 13, 'Descriptor index.'] },
  },
  TDCTL: {
    at: 0x214,
    ...perQueue,
    access: 'rw',
    reset: 0,
    doc: 'Transmit ring: control',
    fields: { EN: [0, 1, 'Queue on. 1→0 stops it after the frame that is being sent.'] },
  },
  GPRC: stat(0x400, 'Good packets received: without error, stored in packet memory'),
  GORC: stat(0x404, 'Good octets received: bytes of the frames in GPRC, without FCS'),
  GPTC: stat(0x408, 'Good packets transmitted: sent while the link was up'),
  GOTC: stat(0x40c, 'Good octets transmitted: bytes of the frames in GPTC, without FCS'),
  MPC: stat(0x410, 'Missed packets: without error, but refused because the page ring was full'),
  RNBC: stat(0x414, 'Receive no buffer: discarded because the queue had no descriptor and its DROP bit is set'),
  FILT: stat(0x418, 'Frames that the address filter rejected'),
  CRCERR: stat(0x41c, 'Frames with a wrong FCS, stored or not'),
  ALGNERR: stat(0x420, 'Frames with a wrong FCS that did not end on a byte boundary, stored or not; not in CRCERR'),
  RUNT: stat(0x424, 'Frames shorter than 60 bytes, stored or not'),
  GIANT: stat(0x428, 'Frames longer than MAXLEN'),
  RXOFF: stat(0x42c, 'Frames that arrived while the receiver was off or the link down'),
  TXERR: stat(0x430, 'Frames that the transmitter discarded'),
  RXDMAE: stat(0x434, 'Received frames lost to a DMA fault'),
  TXLOST: stat(0x438, 'Frames sent while the link was down: gone'),
  BPRC: stat(0x43c, 'Bad packets received: stored although errored (RCR.SEP) or runts (RCR.AR)'),
  RXDISC: stat(0x440, 'Received frames discarded unread, because CTRL.RXE 0→1 emptied the ring'),
} as const satisfies RegSpecs;

export const NIC = describe(SPECS);

export type NicSpecs = typeof SPECS;

export type NicRegs = typeof NIC;
