/** Why a received frame went no further. */
export type RxDropReason =
  | 'ring_full'
  | 'filtered'
  | 'crc'
  | 'alignment'
  | 'runt'
  | 'giant'
  | 'rx_off'
  | 'link_down'
  | 'no_descriptor'
  | 'dma_fault'
  | 'ring_emptied'
  | 'pause'
  | 'loopback'
  | 'reset';

/** Why a frame was not sent, or went nowhere. */
export type TxDropReason =
  | 'dma_fault'
  | 'bad_descriptor'
  | 'too_long'
  | 'too_short'
  | 'no_pages'
  | 'link_down'
  | 'queue_off'
  | 'bad_offload'
  | 'reset';

type Slot<A extends unknown[], R = void> = ((...args: A) => R) | null;

/**
 * The card's tracepoints: nullable slots with positional arguments, no cost while null. `id` is the identity that
 * came with a frame (0: none); lengths are bytes without FCS. They must not touch the card.
 */
export class NicTrace {
  /** The last bit of a frame arrived. */
  frame_arrived: Slot<[id: number, length: number]>;
  /** The address filter lets the frame in; `match` as in AddressFilter.match: station, multicast, broadcast or promiscuous. */
  rx_filter: Slot<[id: number, match: number]>;
  /** The frame is in packet memory, its header on page `page`. */
  rx_stored: Slot<[id: number, page: number, length: number]>;
  /** `length` bytes were written to host memory at I/O address `address`, for descriptor `index` of `queue`. */
  rx_dma: Slot<[id: number, queue: number, index: number, address: number, length: number]>;
  /** The descriptor was written back: the host owns the frame. */
  rx_done: Slot<[id: number, queue: number, index: number]>;
  rx_dropped: Slot<[id: number, reason: RxDropReason]>;
  /** The first piece of a frame is fetched from I/O address `address`. Gives the frame's identity, 0 for none. */
  tx_gather: Slot<[address: number, length: number], number>;
  /** The first bit leaves. */
  tx_start: Slot<[id: number, length: number]>;
  /** The last bit has left. */
  tx_done: Slot<[id: number, length: number]>;
  /** NE2000: the host begins to read bytes of the frame by remote DMA, from `address` of packet memory on. */
  remote_read: Slot<[id: number, address: number, length: number]>;
  /** NE2000: the host begins to write bytes to `address` of packet memory by remote DMA. */
  remote_write: Slot<[address: number, length: number]>;
  tx_dropped: Slot<[id: number, reason: TxDropReason]>;
  /** The interrupt pin changed. */
  irq: Slot<[level: boolean]>;
  /** A message was sent. */
  message: Slot<[vector: number]>;

  constructor() {
    this.frame_arrived = null;
    this.rx_filter = null;
    this.rx_stored = null;
    this.rx_dma = null;
    this.rx_done = null;
    this.rx_dropped = null;
    this.tx_gather = null;
    this.tx_start = null;
    this.tx_done = null;
    this.tx_dropped = null;
    this.remote_read = null;
    this.remote_write = null;
    this.irq = null;
    this.message = null;
  }
}
