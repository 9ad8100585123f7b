/** Detectors for the end of a run: whatever a host that has shut down still holds was leaked; and drops without a reason. */
import { SKB_DROP_REASON } from '../../kernel/net/core/dropreason.ts';
import { no_skbs } from '../../kernel/net/core/skbuff.ts';
import type { Host } from '../machine/host.ts';

export function findLeaks(host: Host): void {
  const { kernel, world, name } = host;
  for (const skb of kernel.skbs.living()) {
    world.report(
      'leak',
      `${name}: sk_buff ${skb.id} (${skb.len} bytes, protocol ${skb.protocol.toString(16)}h) was never freed`,
    );
  }
  if (no_skbs.first !== null) world.report('leak', `${name}: an sk_buff was put into no_skbs, the queue of all`);
  if (kernel.slab.objects_used > 0) {
    world.report(
      'leak',
      `${name}: ${kernel.slab.objects_used} objects (${kernel.slab.bytes_used} bytes) of kernel memory were never freed`,
    );
  }
  for (const { slot, line } of host.cards) {
    const { iommu } = slot;
    if (iommu.streaming > 0)
      world.report('leak', `${name}: ${iommu.streaming} DMA mappings of ${slot.slot} were never unmapped`);
    if (iommu.coherents > 0)
      world.report('leak', `${name}: ${iommu.coherents} coherent blocks of ${slot.slot} were never freed`);
    if (host.intc.level(line)) world.report('irq', `${name}: ${slot.slot} still asserts irq ${line}`);
  }
  for (const desc of kernel.irqs) {
    if (desc.spurious > 0) world.report('irq', `${name}: ${desc.spurious} interrupts on irq ${desc.irq} were nobody's`);
    if (desc.actions.length > 0) world.report('leak', `${name}: irq ${desc.irq} was never freed`);
  }
  // Linux has places that drop without a name; here a reader, or a test, would learn nothing from them.
  const nameless = kernel.init_net.drops[SKB_DROP_REASON.NOT_SPECIFIED] as number;
  if (nameless > 0) world.report('drop', `${name}: ${nameless} packets were dropped without a reason`);
  const { sockets } = kernel.init_net.core;
  if (sockets > 0) world.report('leak', `${name}: ${sockets} sockets were never freed`);
  const alive = [...kernel.sched.tasks.values()].filter(task => task.program !== null);
  if (alive.length > 0) {
    world.report('leak', `${name}: ${alive.length} tasks still live: ${alive.map(task => task.comm).join(', ')}`);
  }
  if (kernel.hrtimers_active > 0) world.report('leak', `${name}: ${kernel.hrtimers_active} hrtimers are still armed`);
  if (kernel.timers.pending > 0) world.report('leak', `${name}: ${kernel.timers.pending} timers still run`);
}
