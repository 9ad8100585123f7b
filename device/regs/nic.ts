/**
 * The native register file, BAR0, 4 KiB, memory-mapped. This is the datasheet: offsets, access rights, reset values,
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
export const NIC_BAR_SIZE = 0x1000;
/** Bytes in a page of packet memory, and the first page's number (as on the NE2000). */
export const PAGE_SIZE = 256;
export const FIRST_PAGE = 0x40;
/** Number of receive and of transmit queues. */
export const QUEUES = 4;
const QUEUE_STRIDE = 0x40;
/** Message vectors: one for each queue pair, and the last one for everything else. */
export const VECTORS = QUEUES + 1;
export const MISC_VECTOR = QUEUES;
/** Where the message table and the pending bits lie in BAR0, for the MSI-X capability. */
export const MESSAGE_TABLE = 0x600;
export const MESSAGE_PENDING = 0x680;
/** Longest frame whatever MAXLEN says. */
export const JUMBO_LIMIT = 9216;
/** Entries of the RSS indirection table, bytes of the RSS key. */
export const RETA_ENTRIES = 128;
export const RSS_KEY_BYTES = 40;

/** Interrupt causes: the same bits in ISR, IMS, IMC and ICS. */
const causes = {
  RX: [0, 1, 'A frame was received: its descriptor is done, or, with CTRL.PIO, it is in the page ring.'],
  TX: [
    1,
    1,
    'A frame was sent, and its last descriptor asked for a report (RS), or it was sent by PTX. May be late (TIDV).',
  ],
  RXDU: [2, 1, 'Receive descriptor unavailable: a frame waits in packet memory because the queue has no descriptor.'],
  TXE: [3, 1, 'A frame was discarded by the transmitter (TXD.STATUS.ERR, or after PTX).'],
  OVW: [4, 1, 'Overwrite warning: a frame was refused because the page ring was full. Counted in MPC.'],
  CNT: [5, 1, 'A statistics counter reached 80000000h.'],
  RDC: [6, 1, 'Remote DMA complete: RBCR reached 0.'],
  RST: [7, 1, 'Reset complete: the card answers again.'],
  LSC: [8, 1, 'The link came up or went down.'],
  DMAE: [9, 1, 'A bus-master access faulted (§2.5).'],
} as const satisfies Record<string, FieldSpec>;

/** Causes that belong to a queue pair: the same bits in QSR, QMS, QMC and QCS, and the same as in ISR. */
const queueCauses = {
  RX: [0, 1, 'A frame was received: its descriptor is done.'],
  TX: [1, 1, 'A frame of this queue was sent, and its last descriptor asked for a report (RS). May be late (TIDV).'],
  RXDU: [2, 1, 'Receive descriptor unavailable: a frame for this queue waits in packet memory.'],
  TXE: [3, 1, 'A frame of this queue was discarded by the transmitter.'],
} as const satisfies Record<string, FieldSpec>;

const stat = (at: number, doc: string) => ({ at, access: 'rc', reset: 0, doc, fields: {} }) as const;
const perQueue = { count: QUEUES, stride: QUEUE_STRIDE } as const;
const perVector = { count: VECTORS, stride: 0x20 } as const;
const perPair = { count: QUEUES, stride: 0x20 } as const;
const perMessage = { count: VECTORS, stride: 0x10 } as const;

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
      LB: [
        2,
        1,
        'MAC loopback: frames that are sent come back to the receiver and do not reach the wire, whatever the link does; frames from the wire are lost (RXOFF). BMCR.LOOPBACK does the same in the PHY.',
      ],
    },
  },
  MAXLEN: {
    at: 0x028,
    access: 'rw',
    reset: 1514,
    doc: 'Longest frame accepted, in bytes without FCS',
    notes:
      'Longer ones are giants: counted in GIANT and not stored. A frame with a VLAN tag may be four bytes longer. Above 9216, the jumbo limit, it acts as 9216.',
    fields: { BYTES: [0, 16, 'Bytes.'] },
  },
  MDIC: {
    at: 0x02c,
    access: 'rw',
    reset: 0x10000000,
    doc: 'MDIO: access to the registers of the PHY',
    notes:
      'Write OP with PHY, REG and, for a write, DATA; poll until READY. An access takes 25.6 µs (64 bits at 2.5 MHz). Starting another one before READY is a violation and is ignored. §4.6 lists the registers of the PHY, which has address 1; nobody answers at another: a violation, reads give FFFFh, ERR is set.',
    writable: 0x0fffffff,
    fields: {
      DATA: [0, 16, 'What is to be written, or was read.'],
      REG: [16, 5, 'Register of the PHY.'],
      PHY: [21, 5, 'Address of the PHY: 1.'],
      OP: [26, 2, '1: write. 2: read. 0, 3: nothing happens.'],
      READY: [28, 1, 'The last access is complete.'],
      ERR: [30, 1, 'Nobody answered.'],
    },
  },
  VLCR: {
    at: 0x030,
    access: 'rw',
    reset: 0,
    doc: 'VLAN control',
    notes: 'A VLAN tag is EtherType 8100h after the addresses. Sending: TXD.STATUS.VLE.',
    fields: {
      STRIP: [0, 1, 'Descriptor mode: take the tag out of received frames, into RXD.VLAN.'],
      FILTER: [1, 1, 'Reject frames whose VLAN id has no bit in VFTA (FILT); frames without a tag pass.'],
    },
  },
  RXCSC: {
    at: 0x034,
    access: 'rw',
    reset: 0,
    doc: 'Receive checksum and time stamp control',
    fields: {
      IP: [0, 1, 'Check the IPv4 header checksum (RXD.STATUS.IPC, IPE).'],
      L4: [1, 1, 'Check TCP and UDP checksums over IPv4 and IPv6 (RXD.STATUS.L4C, L4E). Fragments are not checked.'],
      TS: [2, 1, 'Time stamps: bits 31:0 of TIME when the last bit arrived, in RXD.ADDR on write-back.'],
    },
  },
  FCCR: {
    at: 0x038,
    access: 'rw',
    reset: 0,
    doc: 'Flow control (IEEE 802.3 annex 31B)',
    notes:
      'Pause frames are sent only while CTRL.TXE is 1 and the link is up. XOFF must be below XON: otherwise a violation, and no pause frame is sent.',
    fields: {
      RPE: [
        0,
        1,
        'Honour pause frames: the transmitter stands still for so many times 512 bit times; the frame is counted in PRXC and not stored.',
      ],
      TPE: [1, 1, 'Send pause frames by the thresholds.'],
      XOFF: [8, 8, 'When not more free pages than this are left in the ring: send PTIME.'],
      XON: [16, 8, 'When at least so many are free again: send 0.'],
    },
  },
  PTIME: {
    at: 0x03c,
    access: 'rw',
    reset: 0xffff,
    doc: 'Pause time sent, in units of 512 bit times',
    fields: { QUANTA: [0, 16, 'Quanta.'] },
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
  TIMEL: {
    at: 0x050,
    access: 'ro',
    reset: 0,
    doc: 'The time of the card in ns, bits 31:0',
    notes: 'Counts from power-on, through resets. Reading it keeps the upper half for TIMEH.',
    fields: {},
  },
  TIMEH: {
    at: 0x054,
    access: 'ro',
    reset: 0,
    doc: 'The time of the card in ns, bits 52:32',
    notes: 'As it was when TIMEL was last read.',
    fields: {},
  },
  RSSC: {
    at: 0x058,
    access: 'rw',
    reset: 0,
    doc: 'Receive side scaling: which frames are hashed',
    notes:
      'Toeplitz hash with the key RSSK over source address, destination address, source port, destination port, as far as the type goes. A TCP or UDP frame without its bit set, or a fragment, is hashed as plain IP. The hash is in RXD.ADDR_HI on write-back, its type in RXD.STATUS.HTYPE; the queue is RETA[hash mod 128]. Frames that are not hashed go to queue 0.',
    fields: {
      IP4: [0, 1, 'IPv4: addresses.'],
      TCP4: [1, 1, 'TCP over IPv4: addresses and ports.'],
      UDP4: [2, 1, 'UDP over IPv4: addresses and ports.'],
      IP6: [3, 1, 'IPv6: addresses.'],
      TCP6: [4, 1, 'TCP over IPv6: addresses and ports.'],
      UDP6: [5, 1, 'UDP over IPv6: addresses and ports.'],
    },
  },
  TIDV: {
    at: 0x05c,
    access: 'rw',
    reset: 0,
    doc: 'Transmit interrupt delay',
    notes:
      'The cause TX of a frame whose last descriptor has IDE waits for the next cause of its queue, whatever that is, and is raised together with it; after TIME it is raised in any case. DD is written at once. Writing raises what waits.',
    fields: { TIME: [0, 16, 'Microseconds; 0: nothing waits.'] },
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
      HOLD: [
        2,
        1,
        'Hold frames in packet memory although more than one receive queue is on. Without DROP and HOLD a queue holds frames while it is the only one that is on, and drops them otherwise.',
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
  QSR: {
    at: 0x300,
    ...perPair,
    access: 'w1c',
    reset: 0,
    doc: 'Queue interrupt status',
    notes:
      'The causes of queue pair n alone, for message vector n. A cause of a queue is set here and in ISR; each is cleared for itself.',
    fields: queueCauses,
  },
  QMS: {
    at: 0x304,
    ...perPair,
    access: 'w1s',
    reset: 0,
    doc: 'Queue interrupt mask set',
    notes: 'Writing 1 enables a cause of vector n. Reads give the mask.',
    fields: queueCauses,
  },
  QMC: {
    at: 0x308,
    ...perPair,
    access: 'wo',
    reset: 0,
    doc: 'Queue interrupt mask clear',
    notes: 'Writing 1 disables a cause of vector n.',
    fields: queueCauses,
  },
  QCS: {
    at: 0x30c,
    ...perPair,
    access: 'wo',
    reset: 0,
    doc: 'Queue interrupt cause set',
    notes: 'Writing 1 raises a cause by software, in QSR and ISR.',
    fields: queueCauses,
  },
  ITR: {
    at: 0x310,
    ...perVector,
    access: 'rw',
    reset: 0,
    doc: 'Interrupt moderation of vector n',
    notes:
      'After an interrupt the next one of this vector is held back for TIME, or until COUNT more causes have been raised, whichever comes first. Without messages ITR 0 moderates the pin. It holds for every cause of the vector.',
    fields: {
      TIME: [0, 16, 'Microseconds; 0: no moderation.'],
      COUNT: [16, 8, 'Causes; 0: time alone decides.'],
    },
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
  PRXC: stat(0x444, 'Pause frames received and honoured (FCCR.RPE); not stored'),
  PTXC: stat(0x448, 'Pause frames sent; not in GPTC'),
  JRC: stat(0x44c, 'Jumbo frames received: those in GPRC that are longer than 1518 bytes'),
  CSERR: stat(0x450, 'Received frames with a wrong IPv4, TCP or UDP checksum (RXCSC); delivered'),
  TSOC: stat(0x454, 'Segments sent by segmentation; each is in GPTC too'),
  RETA: {
    at: 0x500,
    count: RETA_ENTRIES / 4,
    stride: 4,
    access: 'rw',
    reset: 0,
    doc: 'RSS indirection table, entries 4n to 4n + 3',
    fields: {
      E0: [0, 2, 'Queue of entry 4n.'],
      E1: [8, 2, 'Queue of entry 4n + 1.'],
      E2: [16, 2, 'Queue of entry 4n + 2.'],
      E3: [24, 2, 'Queue of entry 4n + 3.'],
    },
  },
  RSSK: {
    at: 0x580,
    count: RSS_KEY_BYTES / 4,
    stride: 4,
    access: 'rw',
    reset: 0,
    doc: 'RSS key, bytes 4n to 4n + 3',
    notes: 'Byte 4n in bits 7:0.',
    fields: {},
  },
  MTADR: {
    at: MESSAGE_TABLE,
    ...perMessage,
    access: 'rw',
    reset: 0,
    doc: 'Message table: address of vector n',
    notes:
      'The table and PBA are those of the MSI-X capability (§3.1). A software reset leaves them, a function reset does not.',
    fields: {},
  },
  MTADRH: {
    at: MESSAGE_TABLE + 4,
    ...perMessage,
    access: 'rw',
    reset: 0,
    doc: 'Message table: address of vector n, bits 63:32',
    fields: {},
  },
  MTDATA: {
    at: MESSAGE_TABLE + 8,
    ...perMessage,
    access: 'rw',
    reset: 0,
    doc: 'Message table: data of vector n',
    notes: 'What the machine gets with the message.',
    fields: {},
  },
  MTCTL: {
    at: MESSAGE_TABLE + 12,
    ...perMessage,
    access: 'rw',
    reset: 1,
    doc: 'Message table: control of vector n',
    fields: { MASK: [0, 1, 'Masked: a message waits in PBA and is sent when this goes to 0.'] },
  },
  PBA: {
    at: MESSAGE_PENDING,
    access: 'ro',
    reset: 0,
    doc: 'Pending messages',
    fields: { PENDING: [0, 5, 'Bit n: vector n has a message that its mask, or that of the function, holds back.'] },
  },
  VFTA: {
    at: 0x800,
    count: 128,
    stride: 4,
    access: 'rw',
    reset: 0,
    doc: 'VLAN filter table, VLAN ids 32n to 32n + 31',
    fields: {},
  },
} as const satisfies RegSpecs;

export const NIC = describe(SPECS);

export type NicSpecs = typeof SPECS;

export type NicRegs = typeof NIC;
