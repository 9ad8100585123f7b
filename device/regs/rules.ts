/**
 * Every misuse that the card recognises: what happens then, and the section of docs/datasheet.md that forbids it.
 * The card reports the rule's name through its ViolationSink; the datasheet prints this table.
 */
export interface RuleText {
  /** What was done, and what the card does about it. */
  readonly text: string;
  /** Section of docs/datasheet.md. */
  readonly section: string;
}

export const RULES = {
  unmapped: {
    section: '§3.2',
    text: 'An access to an offset without a register, or to a BAR that does not exist. A read gives all-ones, a write is lost.',
  },
  'access-width': {
    section: '§3.2',
    text: 'An access that is not aligned to a register, or of a width to which it does not answer. A read gives all-ones, a write is lost.',
  },
  'read-only': { section: '§3.2', text: 'A write to a read-only register. It is lost.' },
  'write-only': { section: '§3.2', text: 'A read of a write-only register. It gives 0.' },
  'reserved-bits': {
    section: '§3.2',
    text: 'A write with reserved bits set. They are ignored, the other bits are taken.',
  },
  'write-in-reset': { section: '§4.2', text: 'A write while a reset is under way (STATUS.RDY is 0). It is lost.' },
  'eeprom-busy': { section: '§4.3', text: 'EERD.START while an EEPROM read is under way. It is ignored.' },
  'eeprom-address': { section: '§4.3', text: 'An EEPROM read beyond word 63. It gives FFFFh.' },
  'mdio-busy': { section: '§4.6', text: 'MDIC written while an access is under way (READY is 0). It is ignored.' },
  'mdio-address': {
    section: '§4.6',
    text: 'An MDIO access to a PHY address other than 1. Reads give FFFFh, writes are lost; MDIC.ERR is set.',
  },
  'mode-changed-enabled': {
    section: '§2.2',
    text: 'CTRL.PIO changed while CTRL.RXE is 1. PIO stays as it was; the other bits of the write are taken.',
  },
  'page-ring-changed-enabled': {
    section: '§2.3',
    text: 'PSTART or PSTOP written while CTRL.RXE is 1. The write is ignored.',
  },
  'page-ring-bounds': {
    section: '§2.3',
    text: 'CTRL.RXE set while PSTART and PSTOP do not enclose at least two pages inside packet memory. The receiver is on, but every frame is refused as if the ring were full.',
  },
  'bnry-owned': { section: '§2.3', text: 'BNRY written in descriptor mode, where the card owns it. Ignored.' },
  'bnry-outside-ring': {
    section: '§2.3',
    text: 'BNRY written with a page outside the ring while the receiver is on. The write is ignored.',
  },
  'bnry-past-curr': {
    section: '§2.3',
    text: 'BNRY moved backwards, or past the last stored frame. The value is taken: the pages after it, up to CURR, count as unread.',
  },
  'tpsr-busy': { section: '§6.1', text: 'TPSR written while STATUS.TXB is 1. The write is ignored.' },
  'tx-pages': {
    section: '§6.1',
    text: 'A frame to send while TPSR lies outside packet memory or inside the receive ring: there is no page to hold it. The frame is discarded with an error.',
  },
  'tx-pages-busy': {
    section: '§6.3',
    text: 'The data port wrote into packet memory from TPSR on while a frame was being sent from there. The bytes are written; the frame on the wire may carry them.',
  },
  'ptx-mode': { section: '§6.3', text: 'PTX written without CTRL.PIO and CTRL.TXE. The write is ignored.' },
  'ptx-busy': { section: '§6.3', text: 'PTX written while PTX.GO is 1 or STATUS.TXB is 1. The write is ignored.' },
  'remote-count': {
    section: '§5.4',
    text: 'A data port access with fewer bytes left in RBCR than it moves. The bytes that are left are moved; the others read as FFh, or are lost.',
  },
  'remote-window': {
    section: '§5.4',
    text: 'A data port access outside packet memory. Reads give FFh, writes are lost; RSAR and RBCR move on.',
  },
  'ring-changed-enabled': {
    section: '§2.4',
    text: 'RDBA, RDLEN, RDCTL.BSIZE, TDBA or TDLEN changed while the queue is on. The change is ignored.',
  },
  'ring-length': {
    section: '§2.4',
    text: 'A queue switched on with fewer than 2 or more than 4096 descriptors, or with a ring that runs past the end of the 32-bit address space. It stays off.',
  },
  'buffer-size': { section: '§2.4', text: 'A receive queue switched on with RDCTL.BSIZE 0. It stays off.' },
  'tail-outside-ring': {
    section: '§2.4',
    text: 'A tail register written with an index outside the ring. The write is ignored (if the queue is off: when it is switched on, the tail becomes 0).',
  },
  'tail-backwards': {
    section: '§2.4',
    text: 'A tail register moved back over descriptors that the card owns. The value is taken; a frame may already be using one of them.',
  },
  'descriptor-done': {
    section: '§2.4',
    text: 'A descriptor handed to the card with DD (or another result bit) already set. The card uses it as if the bits were 0.',
  },
  'descriptor-reserved': {
    section: '§2.4',
    text: 'A transmit descriptor with reserved STATUS bits not 0, VLAN not 0 without VLE, VLE on another than the first piece, or a context descriptor with LEN or VLAN not 0. They are ignored.',
  },
  'descriptor-address': {
    section: '§2.4',
    text: 'A descriptor whose address is 0 or does not fit 32 bits. Treated as a bus-master fault: the frame is discarded.',
  },
  'dma-fault': {
    section: '§2.5',
    text: 'A bus-master access faulted: no mapping, the wrong direction, or bus mastering switched off. The frame is discarded and ISR.DMAE set.',
  },
  'pause-thresholds': {
    section: '§6.5',
    text: 'FCCR written with TPE and an XOFF threshold that is not below XON. It is taken, but no pause frame is sent.',
  },
  'tx-context': {
    section: '§6.4',
    text: 'A context descriptor in the middle of a frame, or one after another. The frame is discarded with an error.',
  },
  'tx-checksum-range': {
    section: '§6.4',
    text: 'A checksum order whose headers lie outside the frame, or IPCS where there is no IPv4 header. The frame is discarded with an error.',
  },
  'tx-tso-header': {
    section: '§6.4',
    text: 'A TSO order with HDR longer than the frame, or that does not hold the IP and TCP headers that OFFSETS names. The frame is discarded with an error.',
  },
  'tx-tso-mss': {
    section: '§6.4',
    text: 'A TSO order with MSS 0, or with a segment that does not fit the transmit pages. The frame is discarded with an error.',
  },
  'tx-pieces': {
    section: '§6.4',
    text: 'A TSO frame of more than 64 pieces, or of more than 65535 bytes of payload. The frame is discarded with an error.',
  },
  'tx-no-eop': {
    section: '§6.2',
    text: 'The tail was reached in the middle of a frame. The card keeps what it has gathered and waits for the rest.',
  },
  'tx-length-zero': {
    section: '§6.2',
    text: 'A transmit descriptor of length 0. The frame is discarded with an error.',
  },
  'tx-too-long': {
    section: '§6.1',
    text: 'A frame that does not fit the transmit pages. The frame is discarded with an error.',
  },
  'tx-too-short': {
    section: '§6.1',
    text: 'A frame shorter than 14 bytes (18 with TCR.CRCI). The frame is discarded with an error.',
  },
} as const satisfies Record<string, RuleText>;

/** The name of a rule. */
export type Rule = keyof typeof RULES;
