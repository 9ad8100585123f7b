/** Layouts in memory: receive and transmit descriptors (host RAM) and the page header (packet memory). */
import { layout } from './describe.ts';

/** Receive descriptor, 16 bytes, little-endian. The host fills it in; the card writes it back. */
export const RXD = layout({
  bytes: 16,
  doc: 'Receive descriptor. The host gives a buffer; the card writes back what it stored there.',
  members: {
    ADDR: [
      0,
      4,
      'I/O address of the buffer (bits 31:0). Written by the host; the card overwrites it with 0 on write-back.',
    ],
    ADDR_HI: [4, 4, 'Reserved for address bits 63:32; must be 0.'],
    LEN: [8, 2, 'Host: ignored. Card: bytes stored in the buffer (without FCS unless RCR.KEEP is set).'],
    VLAN: [10, 2, 'Reserved; the card writes 0.'],
    STATUS: [
      12,
      4,
      'Ownership and result. The host writes 0 when it gives the descriptor to the card.',
      {
        DD: [0, 1, 'Descriptor done: the card has finished with the descriptor and its buffer. Written last.'],
        EOP: [1, 1, 'End of packet. Always 1 on a done descriptor: a frame never spans buffers.'],
        MC: [2, 1, 'The destination address is a multicast (not broadcast) address.'],
        BC: [3, 1, 'The destination address is the broadcast address.'],
        CRC: [8, 1, 'The frame was stored although its FCS is wrong (RCR.SEP).'],
        ALN: [9, 1, 'The frame was stored although it did not end on a byte boundary (RCR.SEP).'],
        RUNT: [10, 1, 'The frame was stored although it is shorter than 60 bytes (RCR.AR).'],
        TRUNC: [11, 1, 'The buffer was smaller than the frame: the rest was discarded.'],
      },
    ],
  },
});

/** Transmit descriptor, 16 bytes, little-endian. */
export const TXD = layout({
  bytes: 16,
  doc: 'Transmit descriptor: one piece of a frame. A frame is one or more descriptors, the last one with EOP.',
  members: {
    ADDR: [0, 4, 'I/O address of the piece (bits 31:0).'],
    ADDR_HI: [4, 4, 'Reserved for address bits 63:32; must be 0.'],
    LEN: [8, 2, 'Length of the piece in bytes, 1 to 65535.'],
    VLAN: [10, 2, 'Reserved; must be 0.'],
    STATUS: [
      12,
      4,
      'Command (host) and result (card).',
      {
        EOP: [0, 1, 'End of packet: the last piece of the frame.'],
        RS: [1, 1, 'Report status: set DD on this descriptor when the frame has left.'],
        DD: [
          8,
          1,
          'Descriptor done: the frame that this descriptor ends has left or was discarded. Written where RS asks for it.',
        ],
        ERR: [
          9,
          1,
          'The frame was discarded: a DMA fault, too long for the transmit pages, or a bad descriptor. Written, with DD, even without RS.',
        ],
      },
    ],
  },
});

/** The 4 bytes before each frame in the receive ring, as on the DP8390 (datasheet "Packet Reception"). */
export const PAGE_HEADER = layout({
  bytes: 4,
  doc: 'Page header: the first four bytes of the first page of each received frame.',
  members: {
    STATUS: [
      0,
      1,
      'Receive status.',
      {
        PRX: [0, 1, 'Received intact.'],
        CRC: [1, 1, 'FCS error.'],
        FAE: [2, 1, 'Frame alignment error.'],
        PHY: [5, 1, 'The destination address is a multicast or broadcast address.'],
        RUNT: [6, 1, 'Shorter than 60 bytes.'],
      },
    ],
    NEXT: [1, 1, 'Page number of the next frame (where this one ends, rounded up, wrapped at PSTOP).'],
    LEN_LO: [2, 1, 'Bits 7:0 of the length: the frame without FCS plus 4 (the FCS; the header itself is not counted).'],
    LEN_HI: [3, 1, 'Bits 15:8 of the length.'],
  },
});
