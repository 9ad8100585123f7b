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
      'I/O address of the buffer (bits 31:0). Written by the host; the card overwrites it with 0 on write-back, or with the time stamp (RXCSC.TS).',
    ],
    ADDR_HI: [4, 4, 'Host: reserved for address bits 63:32, must be 0. Card: the RSS hash; 0 when STATUS.HTYPE is 0.'],
    LEN: [8, 2, 'Host: ignored. Card: bytes stored in the buffer (without FCS unless RCR.KEEP is set).'],
    VLAN: [10, 2, 'Host: ignored. Card: the tag (TCI) that was stripped, 0 without STATUS.VP.'],
    STATUS: [
      12,
      4,
      'Ownership and result. The host writes 0 when it gives the descriptor to the card.',
      {
        DD: [0, 1, 'Descriptor done: the card has finished with the descriptor and its buffer. Written last.'],
        EOP: [1, 1, 'End of packet. Always 1 on a done descriptor: a frame never spans buffers.'],
        MC: [2, 1, 'The destination address is a multicast (not broadcast) address.'],
        BC: [3, 1, 'The destination address is the broadcast address.'],
        VP: [4, 1, 'A VLAN tag was stripped: it is in VLAN.'],
        TS: [5, 1, 'ADDR holds the time stamp.'],
        CRC: [8, 1, 'The frame was stored although its FCS is wrong (RCR.SEP).'],
        ALN: [9, 1, 'The frame was stored although it did not end on a byte boundary (RCR.SEP).'],
        RUNT: [10, 1, 'The frame was stored although it is shorter than 60 bytes (RCR.AR).'],
        TRUNC: [11, 1, 'The buffer was smaller than the frame: the rest was discarded.'],
        HTYPE: [
          12,
          4,
          'What the hash is of: 0 none, 1 IPv4, 2 TCP and 3 UDP over IPv4, 4 IPv6, 5 TCP and 6 UDP over IPv6.',
        ],
        IPC: [16, 1, 'The IPv4 header checksum was checked (RXCSC.IP).'],
        IPE: [17, 1, 'It is wrong.'],
        L4C: [
          18,
          1,
          'The TCP or UDP checksum was checked (RXCSC.L4). A UDP frame over IPv4 without a checksum is not.',
        ],
        L4E: [19, 1, 'It is wrong.'],
      },
    ],
  },
});

/** Transmit descriptor, 16 bytes, little-endian. */
export const TXD = layout({
  bytes: 16,
  doc: 'Transmit descriptor: one piece of a frame. A frame is one or more descriptors, the last one with EOP; before the first one there may be a context descriptor.',
  members: {
    ADDR: [0, 4, 'I/O address of the piece (bits 31:0).'],
    ADDR_HI: [4, 4, 'Reserved for address bits 63:32; must be 0.'],
    LEN: [8, 2, 'Length of the piece in bytes, 1 to 65535.'],
    VLAN: [10, 2, 'With STATUS.VLE the tag (TCI) to insert; otherwise must be 0.'],
    STATUS: [
      12,
      4,
      'Command (host) and result (card).',
      {
        EOP: [0, 1, 'End of packet: the last piece of the frame.'],
        RS: [1, 1, 'Report status: set DD on this descriptor when the frame has left.'],
        CTX: [2, 1, '0. 1 makes it a context descriptor, see below.'],
        VLE: [3, 1, 'First piece of a frame: insert a VLAN tag after the addresses.'],
        IDE: [4, 1, 'Interrupt delay enable: with RS, the cause TX of this frame may be late (TIDV).'],
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

/** Context descriptor: what the card is to do to the frame that follows. */
export const TXC = layout({
  bytes: 16,
  doc: 'Context descriptor: offsets and orders for the frame that begins with the next descriptor, and for that one only. All offsets count from the first byte of the frame as it lies in host memory (a tag that is inserted does not move them).',
  members: {
    OFFSETS: [
      0,
      4,
      'Where the headers are.',
      {
        L4: [0, 8, 'First byte that the checksum covers: the TCP or UDP header.'],
        CSO: [8, 8, 'Where the checksum is, from there: 16 for TCP, 6 for UDP.'],
        IP: [16, 8, 'The IP header.'],
        HDR: [24, 8, 'TSO: bytes of all headers, repeated in each segment.'],
      },
    ],
    SEGMENT: [4, 4, 'Segmentation.', { MSS: [0, 14, 'TSO: most payload bytes in a segment.'] }],
    LEN: [8, 2, 'Must be 0.'],
    VLAN: [10, 2, 'Must be 0.'],
    STATUS: [
      12,
      4,
      'Orders.',
      {
        CTX: [2, 1, '1: this is a context descriptor.'],
        L4CS: [
          16,
          1,
          'Insert a checksum: the sum from L4 to the end of the frame, what is in the field included (the host puts the sum of the pseudo header there), complemented; 0 becomes FFFFh.',
        ],
        IPCS: [17, 1, 'Insert the checksum of the IPv4 header.'],
        TSO: [18, 1, 'Cut a TCP frame into segments of MSS bytes, every checksum in them made (§6.4).'],
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
