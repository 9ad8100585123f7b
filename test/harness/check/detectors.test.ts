/** Each detector, shown to find what it is for. */
import { describe, expect, it } from 'vitest';
import type { ringside_adapter } from '../../../driver/ringside/ringside.ts';
import type { Host } from '../../../harness/machine/host.ts';
import { World } from '../../../harness/machine/world.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import { DMA_TO_DEVICE, dma_map_single } from '../../../kernel/dma/mapping.ts';
import { IRQ_NONE, IRQF_SHARED, request_irq } from '../../../kernel/irq/manage.ts';
import { alloc_skb, consume_skb, type sk_buff } from '../../../kernel/net/core/skbuff.ts';
import type { pci_dev } from '../../../kernel/pci.ts';
import { hrtimer } from '../../../kernel/time/hrtimer.ts';

function setUp(): { world: World; host: Host; pdev: pci_dev; adapter: ringside_adapter } {
  const world = new World();
  const host = world.addHost({ name: 'host', nics: [{ mac: parseMac('02:00:00:00:00:02') }] });
  host.up('eth0', 0x0a000001, 24);
  const pdev = host.kernel.pci_devices[0] as pci_dev;
  return { world, host, pdev, adapter: pdev.drvdata as ringside_adapter };
}

const found = (world: World): string[] => world.finish().map(({ detector, message }) => `${detector}: ${message}`);

describe('detectors', () => {
  it('a host that does nothing wrong, finds nothing', () => {
    expect(found(setUp().world)).toEqual([]);
  });

  it('an skb that nobody frees, named at the end with its memory', () => {
    const { world, host } = setUp();
    host.exec(() => alloc_skb(host.kernel, 100));
    const findings = found(world);
    expect(findings[0]).toMatch(/^leak: host: sk_buff \d+ .* was never freed$/);
    expect(findings[1]).toMatch(/^leak: host: 1 objects/);
  });

  it('an skb freed twice, named at once', () => {
    const { world, host } = setUp();
    host.exec(() => {
      const skb = alloc_skb(host.kernel, 100) as sk_buff;
      consume_skb(skb);
      consume_skb(skb);
    });
    expect(found(world)).toEqual([expect.stringMatching(/^skb: host: double free of sk_buff/)]);
  });

  it('a socket that nobody frees, named at the end', () => {
    const { world, host } = setUp();
    host.kernel.init_net.core.sockets++;
    expect(found(world)).toEqual(['leak: host: 1 sockets were never freed']);
  });

  it('an hrtimer that stays armed, named at the end', () => {
    const { world, host } = setUp();
    const timer = new hrtimer(host.kernel, 'forgotten', () => {});
    timer.start(1e15);
    timer.start(2e15);
    expect(found(world)).toEqual(['leak: host: 1 hrtimers are still armed']);
  });

  it('hrtimers that have fired or were cancelled, nothing is found', () => {
    const { world, host } = setUp();
    const fired = new hrtimer(host.kernel, 'fired', () => fired.cancel());
    fired.start(1e6);
    const moved = new hrtimer(host.kernel, 'moved', () => moved.active());
    moved.start(1e15);
    moved.cancel();
    moved.cancel();
    world.sim.run(2e6);
    expect(found(world)).toEqual([]);
  });

  it('a task that starts while its host shuts down, named at the end', () => {
    const { world, host } = setUp();
    host.kernel.init_net.pernet_exit.push(() => {
      host.spawn('late', function* (sys) {
        return yield* sys.nanosleep(1e15);
      });
    });
    expect(found(world)).toEqual(['leak: host: 1 tasks still live: late', 'leak: host: 1 hrtimers are still armed']);
  });

  it('a DMA mapping that is never undone, named at the end', () => {
    const { world, host, pdev } = setUp();
    host.exec(() => dma_map_single(pdev, host.kernel.ram.base, 64, DMA_TO_DEVICE));
    expect(found(world)).toEqual(['leak: host: 1 DMA mappings of 0000:00:03.0 were never unmapped']);
  });

  it('a write to a receive descriptor that the card owns, named with ring and index', () => {
    const { world, host, adapter } = setUp();
    host.exec(() => adapter.q_vector[0]?.rx?.region.st32(5 * 16 + 12, 0));
    expect(found(world)).toEqual([
      'descriptor: host: driver writes receive descriptor 5 of queue 0, which the card owns',
    ]);
  });

  it('an access outside a coherent block, named and harmless', () => {
    const { world, host, adapter } = setUp();
    host.exec(() => {
      expect(adapter.q_vector[0]?.rx?.region.ld32(256 * 16)).toBe(-1);
      adapter.q_vector[0]?.rx?.region.st32(-4, 1);
    });
    expect(found(world)).toHaveLength(2);
  });

  it('an interrupt that its handlers do not know, counted as nobody’s', () => {
    const { world, host } = setUp();
    const line = 3;
    host.exec(() =>
      request_irq(
        host.kernel,
        line,
        () => {
          host.intc.setLevel(line, false, host.kernel.clock.now);
          return IRQ_NONE;
        },
        IRQF_SHARED,
        'deaf',
        1,
      ),
    );
    host.intc.setLevel(line, true, world.sim.time);
    world.sim.run(world.sim.time + 1000);
    expect(found(world)).toEqual([
      "irq: host: 1 interrupts on irq 3 were nobody's",
      'leak: host: irq 3 was never freed',
    ]);
  });

  it('a descriptor whose buffer was unmapped, faults in the IOMMU and is reported', () => {
    const { world, host, pdev, adapter } = setUp();
    // The driver forgets that the card still owns descriptor 0.
    host.exec(() => pdev.iommu.unmap(adapter.q_vector[0]?.rx?.dma[0] as number, adapter.rx_buffer_length, 2, false));
    const [card] = host.cards;
    if (card === undefined) throw new Error('no card');
    const frame = new Uint8Array(60).fill(0xff);
    card.nic.advance(world.sim.time);
    card.nic.receive(frame, 0, 60, -1, 0);
    card.slot.sync();
    world.sim.run(world.sim.time + 1_000_000);
    expect(world.findings.map(f => f.message)).toContainEqual(expect.stringContaining('faulted: no mapping'));
    expect(world.violations.length).toBeGreaterThan(0);
  });
});
