/** What the parts of the driver share: the adapter, its queue pairs and their rings. */
import { NIC, QUEUES, RETA_ENTRIES } from '../../device/regs/nic.ts';
import type { dma_region } from '../../kernel/include/dma-mapping.ts';
import type { iomem } from '../../kernel/include/io.ts';
import type { napi_struct, net_device } from '../../kernel/include/netdevice.ts';
import type { pci_dev } from '../../kernel/include/pci.ts';
import type { sk_buff } from '../../kernel/include/skbuff.ts';
import { timer_list } from '../../kernel/include/timer.ts';
import { bits } from '../lib/io.ts';

export const DRIVER_NAME = 'ringside';

/** Queue pairs that the card has. */
export const MAX_QUEUES = QUEUES;

/** Descriptors in each ring: a power of two, so that an index wraps by a mask. These as long as nobody asks for others. */
export const RX_RING_SIZE = 256;
export const TX_RING_SIZE = 256;
export const MIN_RING_SIZE = 32;
export const MAX_RING_SIZE = 4096;
/** Frames up to this length are copied into a small skb, and their buffer stays where it is. */
export const COPYBREAK = 256;
/** Buffers are given back to the card in batches of this many, so that the doorbell is rung once for each batch. */
export const RX_BUFFER_WRITE = 16;
/** The queue is stopped when fewer descriptors than this are free, and woken when there are twice as many. */
export const TX_STOP_THRESHOLD = 4;
/**
 * By how many µs the interrupt for a sent packet may be late, so that it need not come alone: the next received one brings
 * it along. Only while fewer than this many descriptors wait to be taken back.
 */
export const TX_USECS = 16;
export const TX_LATE_MAX = 32;
/** Pieces of one packet that are given to the card as they are, within what it takes (datasheet §6.4); beyond: linearized. */
export const TX_MAX_PIECES = 24;

/** Without NAPI: frames one interrupt takes before it lets others have the CPU (max_interrupt_work of old drivers). */
export const MAX_INTERRUPT_WORK = 20;

/** Causes that the poll takes care of: masked from the interrupt to the end of the poll. */
export const POLL_CAUSES_ISR = bits(NIC.ISR.RX, NIC.ISR.TX, NIC.ISR.RXDU, NIC.ISR.TXE, NIC.ISR.OVW, NIC.ISR.DMAE);
export const POLL_CAUSES_IMS = bits(NIC.IMS.RX, NIC.IMS.TX, NIC.IMS.RXDU, NIC.IMS.TXE, NIC.IMS.OVW, NIC.IMS.DMAE);
export const POLL_CAUSES_IMC = bits(NIC.IMC.RX, NIC.IMC.TX, NIC.IMC.RXDU, NIC.IMC.TXE, NIC.IMC.OVW, NIC.IMC.DMAE);
/** With messages: those of a queue, and what is left for the last vector. */
export const QUEUE_CAUSES_QSR = bits(NIC.QSR.RX, NIC.QSR.TX, NIC.QSR.RXDU, NIC.QSR.TXE);
export const QUEUE_CAUSES_QMS = bits(NIC.QMS.RX, NIC.QMS.TX, NIC.QMS.RXDU, NIC.QMS.TXE);
export const QUEUE_CAUSES_QMC = bits(NIC.QMC.RX, NIC.QMC.TX, NIC.QMC.RXDU, NIC.QMC.TXE);
export const OTHER_CAUSES_ISR = bits(NIC.ISR.LSC, NIC.ISR.DMAE);
export const OTHER_CAUSES_IMS = bits(NIC.IMS.LSC, NIC.IMS.DMAE);

/** A descriptor ring and the buffers behind its descriptors. `dma` and `length` are those of each mapping, 0 for none. */
export class ring {
  readonly region: dma_region;
  readonly count: number;
  /** Receive: the buffer of each descriptor. Transmit: the packet, at its first descriptor. */
  readonly skb: (sk_buff | null)[];
  readonly dma: Int32Array;
  /** Receive: where each buffer's data lie, so that a small frame is copied without a look at its buffer's sk_buff. */
  readonly address: Int32Array;
  readonly length: Int32Array;
  /** Transmit: at a packet's first descriptor, its last one (next_to_watch). */
  readonly last: Int32Array;
  /** Where the doorbell is. */
  readonly tail: number;
  /** Transmit: STATUS of the last descriptor as it was given to the card. */
  command = 0;
  /** The next descriptor to give to the card, and the next one to take back. */
  next_to_use = 0;
  next_to_clean = 0;

  constructor(region: dma_region, count: number, tail: number) {
    this.region = region;
    this.count = count;
    this.skb = new Array<sk_buff | null>(count).fill(null);
    this.dma = new Int32Array(count);
    this.address = new Int32Array(count);
    this.length = new Int32Array(count);
    this.last = new Int32Array(count);
    this.tail = tail;
  }

  /** Descriptors that may still be given to the card: one always stays unused. */
  unused(): number {
    return (this.next_to_clean - this.next_to_use - 1) & (this.count - 1);
  }

  /** Descriptors that were given to the card and not taken back. */
  used(): number {
    return (this.next_to_use - this.next_to_clean) & (this.count - 1);
  }
}

/** A queue pair: what one vector stands for and one poll looks after. */
export class q_vector {
  readonly adapter: ringside_adapter;
  readonly index: number;
  napi!: napi_struct;
  rx: ring | null = null;
  tx: ring | null = null;
  /** Between napi_enable and napi_disable. */
  napi_enabled = false;
  /** The interrupt that it has of its own; -1: it shares the line. */
  irq = -1;
  /** Refills after memory ran out. */
  readonly refill_timer: timer_list;
  rx_packets = 0;
  rx_bytes = 0;
  tx_packets = 0;
  tx_bytes = 0;
  rx_csum_good = 0;
  rx_csum_errors = 0;
  alloc_rx_failed = 0;
  tx_busy = 0;
  tx_tso = 0;
  tx_csum = 0;

  constructor(adapter: ringside_adapter, index: number, refill: (q: q_vector) => void) {
    this.adapter = adapter;
    this.index = index;
    this.refill_timer = new timer_list(adapter.pdev.kernel, () => refill(this));
  }
}

export class ringside_adapter {
  readonly pdev: pci_dev;
  readonly netdev: net_device;
  readonly io: iomem;
  /** False: the old way, for comparison: the interrupt handler receives, by netif_rx. */
  readonly use_napi: boolean;
  /** Every queue pair that may be used; the first `num_queues` are. */
  readonly q_vector: q_vector[] = [];
  num_queues = 1;
  /** A message for each queue pair and one for the rest, instead of the line. */
  msix = false;
  rx_ring_count = RX_RING_SIZE;
  tx_ring_count = TX_RING_SIZE;
  /** Bytes in a receive buffer. */
  rx_buffer_length = 0;
  /** Moderation of every vector: µs and causes (ITR). */
  rx_usecs = 0;
  rx_frames = 0;
  /** By how much TX may be late (TIDV), µs. */
  tx_usecs = TX_USECS;
  /** RSS: the queue of each entry, and the key. */
  readonly rss_table = new Uint8Array(RETA_ENTRIES);
  rss_key: Uint8Array;
  /** What IMS holds: the line may be shared, so the handler must know what is its own. */
  mask = 0;
  /** The card is gone (reads give all-ones). */
  removed = false;
  restarts = 0;

  constructor(pdev: pci_dev, netdev: net_device, io: iomem, use_napi: boolean, rss_key: Uint8Array) {
    this.pdev = pdev;
    this.use_napi = use_napi;
    this.netdev = netdev;
    this.io = io;
    this.rss_key = rss_key;
  }

  /** Between open and stop. */
  get up(): boolean {
    return this.q_vector[0]?.rx !== null;
  }
}

export function netdev_priv(dev: net_device): ringside_adapter {
  return dev.priv as ringside_adapter;
}
