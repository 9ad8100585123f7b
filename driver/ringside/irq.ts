/** The interrupt handler and the poll. */
import { NIC } from '../../device/regs/nic.ts';
import { IRQ_HANDLED, IRQ_NONE, type irqreturn_t } from '../../kernel/include/interrupt.ts';
import {
  __napi_schedule,
  napi_complete_done,
  napi_schedule_prep,
  type napi_struct,
  netif_carrier_off,
  netif_carrier_on,
  netif_device_detach,
} from '../../kernel/include/netdevice.ts';
import { field, readl, writel } from '../lib/io.ts';
import {
  MAX_INTERRUPT_WORK,
  netdev_priv,
  POLL_CAUSES_IMC,
  POLL_CAUSES_IMS,
  POLL_CAUSES_ISR,
  type ring,
  type ringside_adapter,
} from './ringside.ts';
import { clean_rx_irq, refill_rx } from './rx.ts';
import { clean_tx_irq } from './tx.ts';

const ALL_ONES = 0xffffffff;

/** The handler: is it ours, acknowledge, mask what the poll will look after, schedule the poll. */
export function ringside_intr(_irq: number, dev_id: unknown): irqreturn_t {
  const adapter = dev_id as ringside_adapter;
  const { io } = adapter;
  const isr = readl(io, NIC.ISR);
  if (isr === ALL_ONES) {
    // Nobody answers: the card was pulled out.
    adapter.removed = true;
    netif_device_detach(adapter.netdev);
    return IRQ_NONE;
  }
  const causes = isr & adapter.mask;
  if (causes === 0) return IRQ_NONE;
  // Acknowledged before the rings are looked at: whatever happens from here on raises its cause again.
  writel(io, NIC.ISR, causes);
  if ((causes & NIC.ISR.LSC.mask) !== 0) update_carrier(adapter);
  if (!adapter.use_napi) {
    receive_in_interrupt(adapter);
  } else if ((causes & POLL_CAUSES_ISR) !== 0 && napi_schedule_prep(adapter.napi)) {
    adapter.mask &= ~POLL_CAUSES_ISR;
    writel(io, NIC.IMC, POLL_CAUSES_IMC);
    __napi_schedule(adapter.napi);
  }
  // Posted writes: without this read the line could still be asserted when the interrupt ends.
  readl(io, NIC.IMS);
  return IRQ_HANDLED;
}

/** Without NAPI: everything is done here, up to a limit; what is left raises its cause again, by software. */
function receive_in_interrupt(adapter: ringside_adapter): void {
  const rx = adapter.rx as ring;
  clean_tx_irq(adapter, adapter.tx as ring, MAX_INTERRUPT_WORK);
  const work = clean_rx_irq(adapter, rx, MAX_INTERRUPT_WORK);
  refill_rx(adapter, rx);
  if (work === MAX_INTERRUPT_WORK) writel(adapter.io, NIC.ICS, NIC.ICS.RX.mask);
}

/** Tells the stack what the PHY says. */
export function update_carrier(adapter: ringside_adapter): void {
  const up = field(readl(adapter.io, NIC.STATUS), NIC.STATUS.LU) !== 0;
  if (up) netif_carrier_on(adapter.netdev);
  else netif_carrier_off(adapter.netdev);
}

/** The NAPI poll: takes back what was sent, passes at most `budget` received frames up. */
export function ringside_poll(napi: napi_struct, budget: number): number {
  const adapter = netdev_priv(napi.dev);
  const rx = adapter.rx as ring;
  clean_tx_irq(adapter, adapter.tx as ring, budget);
  const work = clean_rx_irq(adapter, rx, budget);
  refill_rx(adapter, rx);
  if (work < budget && napi_complete_done(napi, work)) {
    adapter.mask |= POLL_CAUSES_ISR;
    writel(adapter.io, NIC.IMS, POLL_CAUSES_IMS);
  }
  return work;
}
