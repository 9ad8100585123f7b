import type { RuleText } from './rules.ts';

/**
 * Every misuse of the NE2000 interface that the card recognises: what happens then, and the section of docs/ne2000.md
 * that forbids it.
 */
export const NE2000_RULES = {
  'ne-unmapped': {
    section: 'N2.1',
    text: 'An access outside the 32 ports, or to a BAR that does not exist. A read gives all-ones, a write is lost.',
  },
  'ne-width': {
    section: 'N2.1',
    text: 'A 16- or 32-bit access to the controller’s sixteen byte-wide ports. A read gives all-ones, a write is lost.',
  },
  'ne-reserved': {
    section: 'N2.1',
    text: 'An access to a place of the selected page where there is no register. A read gives 0, a write is lost.',
  },
  'ne-read-only': { section: 'N2.1', text: 'A write where only a read reaches a register. It is lost.' },
  'ne-reserved-bits': {
    section: 'N2.1',
    text: 'RCR, TCR, DCR or IMR written with reserved bits set. They are ignored, the other bits are taken.',
  },
  'ne-command-stopped': {
    section: 'N2.2',
    text: 'CR.TXP or a remote DMA command while the controller is stopped. It is not carried out.',
  },
  'ne-remote-none': {
    section: 'N3.3',
    text: 'CR written with RD = 0, which is not allowed. The remote DMA goes on with what it was doing.',
  },
  'ne-remote-idle': {
    section: 'N3.3',
    text: 'The data port read without a remote read under way, or written without a remote write. A read gives all-ones, a write is lost.',
  },
  'ne-remote-window': {
    section: 'N3.3',
    text: 'A data port access where there is no memory and no PROM, or a write to the PROM. A read gives FFh, a write is lost; address and count move on.',
  },
  'ne-send-disabled': { section: 'N3.4', text: 'The send packet command without DCR.AR. It is not carried out.' },
  'ne-transmit-busy': { section: 'N4.1', text: 'CR.TXP while a frame is being sent. It changes nothing.' },
  'ne-transmit-length': {
    section: 'N4.1',
    text: 'CR.TXP with a byte count of 0, or below 4 with TCR.CRC. Nothing is sent; PTX is reported.',
  },
  'ne-transmit-window': {
    section: 'N4.1',
    text: 'A frame to send that reaches beyond packet memory. The bytes that are not there are sent as FFh.',
  },
  'ne-transmit-pages': {
    section: 'N4.1',
    text: 'TPSR, TBCR or TCR written while a frame is being sent. The value is taken, for the next frame.',
  },
  'ne-ring-bounds': {
    section: 'N3.1',
    text: 'A packet received while PSTART, PSTOP and CURR do not lie, in this order, inside packet memory. It is stored page by page all the same; what falls outside is lost.',
  },
  'ne-fifo': { section: 'N4.3', text: 'The FIFO read outside a loopback mode. It gives 0.' },
} as const satisfies Record<string, RuleText>;

/** The name of a rule of the NE2000 interface. */
export type Ne2000Rule = keyof typeof NE2000_RULES;
