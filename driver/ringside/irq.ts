/** The interrupt handlers and the poll. */
import { NIC } from '../../device/regs/nic.ts';
import { IRQ_HANDLED, IRQ_NONE, type irqreturn_t } from '../../kernel/include/interrupt.ts';
import { readl as ioread32, writel as iowrite32 } from '../../kernel/include/io.ts';
import {
  __napi_schedule,
  napi_complete_done,
  napi_schedule_prep,
  type napi_struct,
  netif_carrier_off,
  netif_carrier_on,
  netif_device_detach,
} from '../../kernel/include/netdevice.ts';
import { field, read_at, readl, write_at, writel } from '../lib/io.ts';
import {
  MAX_INTERRUPT_WORK,
  OTHER_CAUSES_ISR,
  POLL_CAUSES_IMC,
  POLL_CAUSES_IMS,
  POLL_CAUSES_ISR,
  QUEUE_CAUSES_QMC,
  QUEUE_CAUSES_QMS,
  QUEUE_CAUSES_QSR,
  type q_vector,
  type ring,
  type ringside_adapter,
} from './ringside.ts';
import { clean_rx_irq, refill_rx } from './rx.ts';
import { clean_tx_irq } from './tx.ts';

// What every interrupt needs, as numbers: NIC is a large frozen object, and slow to look into.
const LSC = NIC.ISR.LSC.mask;
const ISR_READ = read_at(NIC.ISR);
const ISR_ACK = write_at(NIC.ISR);
const IMS_READ = read_at(NIC.IMS);
const IMS_SET = write_at(NIC.IMS);
const IMC_SET = write_at(NIC.IMC);
const ALL_ONES = 0xffffffff;

/** The line's handler: is it ours, acknowledge, mask what the poll will look after, schedule the poll. */
export function ringside_intr(_irq: number, dev_id: unknown): irqreturn_t {
  const adapter = dev_id as ringside_adapter;
  const { io } = adapter;
  const isr = ioread32(io, ISR_READ);
  if (isr === ALL_ONES) return gone(adapter);
  const causes = isr & adapter.mask;
  if (causes === 0) return IRQ_NONE;
  // Acknowledged before the rings are looked at: whatever happens from here on raises its cause again.
  iowrite32(io, ISR_ACK, causes);
  if ((causes & LSC) !== 0) update_carrier(adapter);
  const q = adapter.q_vector[0] as q_vector;
  if (!adapter.use_napi) {
    receive_in_interrupt(adapter, q);
  } else if ((causes & POLL_CAUSES_ISR) !== 0 && napi_schedule_prep(q.napi)) {
    adapter.mask &= ~POLL_CAUSES_ISR;
    iowrite32(io, IMC_SET, POLL_CAUSES_IMC);
    __napi_schedule(q.napi);
  }
  // Posted writes: without this read the line could still be asserted when the interrupt ends.
  ioread32(io, IMS_READ);
  return IRQ_HANDLED;
}

/** Nobody answers: the card was pulled out. */
function gone(adapter: ringside_adapter): irqreturn_t {
  adapter.removed = true;
  netif_device_detach(adapter.netdev);
  return IRQ_NONE;
}

/**
 * A queue's message. It is nobody else's, so nothing has to be read: mask, acknowledge, schedule. In this order: were the
 * cause still open when it is acknowledged, the next frame would send a message into the poll.
 */
export function ringside_msix_ring(_irq: number, dev_id: unknown): irqreturn_t {
  const q = dev_id as q_vector;
  if (napi_schedule_prep(q.napi)) {
    const { io } = q.adapter;
    writel(io, NIC.QMC, QUEUE_CAUSES_QMC, q.index);
    writel(io, NIC.QSR, QUEUE_CAUSES_QSR, q.index);
    __napi_schedule(q.napi);
  }
  return IRQ_HANDLED;
}

/** The message for what belongs to no queue: the link, DMA faults. */
export function ringside_msix_other(_irq: number, dev_id: unknown): irqreturn_t {
  const adapter = dev_id as ringside_adapter;
  const isr = readl(adapter.io, NIC.ISR);
  if (isr === ALL_ONES) return gone(adapter);
  writel(adapter.io, NIC.ISR, isr & OTHER_CAUSES_ISR);
  if ((isr & LSC) !== 0) update_carrier(adapter);
  return IRQ_HANDLED;
}

/** Without NAPI: everything is done here, up to a limit; what is left raises its cause again, by software. */
function receive_in_interrupt(adapter: ringside_adapter, q: q_vector): void {
  const rx = q.rx as ring;
  clean_tx_irq(q, q.tx as ring, MAX_INTERRUPT_WORK);
  const work = clean_rx_irq(q, rx, MAX_INTERRUPT_WORK);
  refill_rx(q, rx);
  if (work === MAX_INTERRUPT_WORK) writel(adapter.io, NIC.ICS, NIC.ICS.RX.mask);
}

/** Tells the stack what the PHY says. */
export function update_carrier(adapter: ringside_adapter): void {
  const up = field(readl(adapter.io, NIC.STATUS), NIC.STATUS.LU) !== 0;
  if (up) netif_carrier_on(adapter.netdev);
  else netif_carrier_off(adapter.netdev);
}

/** The NAPI poll of a queue pair: takes back what was sent, passes at most `budget` received frames up. */
export function ringside_poll(napi: napi_struct, budget: number): number {
  const q = napi.context as q_vector;
  const rx = q.rx as ring;
  clean_tx_irq(q, q.tx as ring, budget);
  const work = clean_rx_irq(q, rx, budget);
  refill_rx(q, rx);
  if (work < budget && napi_complete_done(napi, work)) enable_causes(q);
  return work;
}

/** The end of the poll: what came in since the acknowledgement interrupts at once. */
function enable_causes(q: q_vector): void {
  const { adapter } = q;
  if (adapter.msix) {
    writel(adapter.io, NIC.QMS, QUEUE_CAUSES_QMS, q.index);
  } else {
    adapter.mask |= POLL_CAUSES_ISR;
    iowrite32(adapter.io, IMS_SET, POLL_CAUSES_IMS);
  }
}
