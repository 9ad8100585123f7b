/** What the parts of the driver share: the adapter and its rings. */
import { NIC } from '../../device/regs/nic.ts';
import type { dma_region } from '../../kernel/include/dma-mapping.ts';
import type { iomem } from '../../kernel/include/io.ts';
import type { napi_struct, net_device } from '../../kernel/include/netdevice.ts';
import type { pci_dev } from '../../kernel/include/pci.ts';
import type { sk_buff } from '../../kernel/include/skbuff.ts';
import { timer_list } from '../../kernel/include/timer.ts';
import { bits } from '../lib/io.ts';

export const DRIVER_NAME = 'ringside';

/** Descriptors in each ring: a power of two, so that an index wraps by a mask. */
export const RX_RING_SIZE = 256;
export const TX_RING_SIZE = 256;
/** Frames up to this length are copied into a small skb, and their buffer stays where it is. */
export const COPYBREAK = 256;
/** Buffers are given back to the card in batches of this many, so that the doorbell is rung once for each batch. */
export const RX_BUFFER_WRITE = 16;
/** The queue is stopped when fewer descriptors than this are free, and woken when there are twice as many. */
export const TX_STOP_THRESHOLD = 4;

/** Without NAPI: frames one interrupt takes before it lets others have the CPU (max_interrupt_work of old drivers). */
export const MAX_INTERRUPT_WORK = 20;

/** Causes that the poll takes care of: masked from the interrupt to the end of the poll. */
export const POLL_CAUSES_ISR = bits(NIC.ISR.RX, NIC.ISR.TX, NIC.ISR.RXDU, NIC.ISR.TXE, NIC.ISR.OVW, NIC.ISR.DMAE);
export const POLL_CAUSES_IMS = bits(NIC.IMS.RX, NIC.IMS.TX, NIC.IMS.RXDU, NIC.IMS.TXE, NIC.IMS.OVW, NIC.IMS.DMAE);
export const POLL_CAUSES_IMC = bits(NIC.IMC.RX, NIC.IMC.TX, NIC.IMC.RXDU, NIC.IMC.TXE, NIC.IMC.OVW, NIC.IMC.DMAE);

/** A descriptor ring and the buffers behind its descriptors. `dma` and `length` are those of each mapping. */
export class ring {
  readonly region: dma_region;
  readonly count: number;
  readonly skb: (sk_buff | null)[];
  readonly dma: Int32Array;
  readonly length: Int32Array;
  /** The next descriptor to give to the card, and the next one to take back. */
  next_to_use = 0;
  next_to_clean = 0;

  constructor(region: dma_region, count: number) {
    this.region = region;
    this.count = count;
    this.skb = new Array<sk_buff | null>(count).fill(null);
    this.dma = new Int32Array(count);
    this.length = new Int32Array(count);
  }

  /** Descriptors that may still be given to the card: one always stays unused. */
  unused(): number {
    return (this.next_to_clean - this.next_to_use - 1) & (this.count - 1);
  }
}

export class ringside_adapter {
  readonly pdev: pci_dev;
  readonly netdev: net_device;
  readonly io: iomem;
  napi!: napi_struct;
  /** False: the old way, for comparison: the interrupt handler receives, by netif_rx. */
  readonly use_napi: boolean;
  rx: ring | null = null;
  tx: ring | null = null;
  /** Bytes in a receive buffer. */
  rx_buffer_length = 0;
  /** What IMS holds: the line may be shared, so the handler must know what is its own. */
  mask = 0;
  /** The card is gone (reads give all-ones). */
  removed = false;
  restarts = 0;
  /** Between napi_enable and napi_disable. */
  napi_enabled = false;
  /** Refills after memory ran out. */
  readonly refill_timer: timer_list;

  constructor(
    pdev: pci_dev,
    netdev: net_device,
    io: iomem,
    use_napi: boolean,
    refill: (adapter: ringside_adapter) => void,
  ) {
    this.pdev = pdev;
    this.use_napi = use_napi;
    this.netdev = netdev;
    this.io = io;
    this.refill_timer = new timer_list(pdev.kernel, () => refill(this));
  }
}

export function netdev_priv(dev: net_device): ringside_adapter {
  return dev.priv as ringside_adapter;
}
