/** The reference driver against the card: bring-up, traffic, back-pressure, and what goes wrong. */
import { describe, expect, it } from 'vitest';
import { NIC } from '../../device/regs/nic.ts';
import { ringside_driver, ringside_irq_driver } from '../../driver/ringside/main.ts';
import { netdev_priv, TX_RING_SIZE } from '../../driver/ringside/ringside.ts';
import type { Host, HostConfig, Plugged } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import {
  dev_close,
  dev_get_stats,
  dev_open,
  dev_queue_xmit,
  dev_set_mtu,
  netif_stop_queue,
} from '../../kernel/net/core/dev.ts';
import { type net_device, type netdev_queue, netif_xmit_stopped } from '../../kernel/net/core/netdevice.ts';
import { alloc_skb, type sk_buff, skb_put, skb_reserve } from '../../kernel/net/core/skbuff.ts';
import { pci_unregister_driver } from '../../kernel/pci.ts';

const MAC = parseMac('02:00:00:00:00:02');

interface Bench {
  readonly world: World;
  readonly host: Host;
  readonly card: Plugged;
  readonly dev: net_device;
  /** Frames the card sent, as they left. */
  readonly sent: Uint8Array[];
  /** Hands `count` frames of `length` bytes to the queue; the last byte of each counts up. */
  transmit(count: number, length?: number): void;
  /** A broadcast frame arrives. */
  receive(length?: number): void;
  run(ns: number): void;
  register(offset: number): number;
}

function setUp(config: Partial<HostConfig> & { rate?: number } = {}): Bench {
  const world = new World();
  const { rate = 1e9, ...rest } = config;
  const host = world.addHost({ name: 'host', nics: [{ mac: MAC, rate }], ...rest });
  const card = host.cards[0] as Plugged;
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', 0x0a000001, 24);
  // Boot takes time of its own.
  world.sim.run(1_000_000);
  const sent: Uint8Array[] = [];
  source.heard = (bytes, at, length) => sent.push(bytes.slice(at, at + length));
  return {
    world,
    host,
    card,
    dev,
    sent,
    transmit(count, length = 100) {
      host.exec(() => {
        for (let i = 0; i < count; i++) {
          const skb = alloc_skb(host.kernel, length + 64) as sk_buff;
          skb_reserve(skb, 64);
          const at = skb_put(skb, length);
          host.kernel.ram.u8.fill(0x5a, at, at + length);
          host.kernel.ram.u8[at + length - 1] = i;
          skb.dev = dev;
          dev_queue_xmit(skb);
        }
      });
    },
    receive(length = 60) {
      const frame = new Uint8Array(length).fill(0xff, 0, 6);
      frame[12] = 0x12;
      source.send(frame, 0, length, -1, 0, world.sim.time);
      cable.refresh();
    },
    run: ns => world.sim.run(world.sim.time + ns),
    register: offset => card.nic.peek(offset),
  };
}

describe('bring-up', () => {
  it('a card probed, its address comes from the EEPROM and its limits from packet memory', () => {
    const { dev } = setUp();
    expect([...dev.dev_addr]).toEqual([...MAC]);
    expect(dev.max_mtu).toBe(1500);
    expect(dev.carrier).toBe(true);
  });

  it('an interface opened and closed a hundred times, leaves nothing behind', () => {
    const { world, host, dev, transmit, run } = setUp();
    for (let i = 0; i < 100; i++) {
      host.exec(() => dev_close(dev));
      host.exec(() => dev_open(dev));
      transmit(3);
      run(100_000);
    }
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('an interface closed, the card is silent and its frames are not heard', () => {
    const { host, dev, card, receive, run, register, world } = setUp();
    host.exec(() => dev_close(dev));
    expect(register(NIC.CTRL.offset)).toBe(0);
    expect(register(NIC.IMS.offset)).toBe(0);
    receive();
    run(100_000);
    expect(host.intc.level(card.line)).toBe(false);
    expect(world.finish()).toEqual([]);
  });

  it('the driver removed while traffic flows, gives everything back', () => {
    const { host, world, transmit, receive, run } = setUp({ rate: 1e7 });
    transmit(50);
    for (let i = 0; i < 20; i++) receive();
    run(200_000);
    host.exec(() => pci_unregister_driver(host.kernel, ringside_driver));
    run(10_000_000);
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('an MTU beyond what the packet memory holds, refused', () => {
    const { host, dev } = setUp();
    expect(host.exec(() => dev_set_mtu(dev, 1501))).toBe(-22);
    expect(host.exec(() => dev_set_mtu(dev, 67))).toBe(-22);
    expect(host.exec(() => dev_set_mtu(dev, 576))).toBe(0);
  });
});

describe('the MTU of an interface that is up', () => {
  it('lowered: longer frames than it allows to send are received all the same', () => {
    const { host, dev, receive, run, register, world } = setUp();
    const received = (length: number): number => {
      const before = dev.stats.rx_packets;
      receive(length);
      run(100_000);
      return dev.stats.rx_packets - before;
    };
    for (const mtu of [600, 1500]) {
      host.exec(() => dev_set_mtu(dev, mtu));
      run(1000);
      expect(register(NIC.MAXLEN.offset)).toBe(1514);
      expect([received(615), received(1514), received(1515)]).toEqual([1, 1, 0]);
    }
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('changed while it is down: received as before', () => {
    const { host, dev, register } = setUp();
    host.exec(() => dev_close(dev));
    host.exec(() => dev_set_mtu(dev, 600));
    host.exec(() => dev_open(dev));
    expect(register(NIC.MAXLEN.offset)).toBe(1514);
  });
});

describe('transmit', () => {
  it('frames handed over, leave in order and byte for byte', () => {
    const { transmit, run, sent, dev, world } = setUp();
    transmit(40, 200);
    run(1_000_000);
    expect(sent.map(frame => frame.at(-1))).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(sent.every(frame => frame.length === 200 && frame.subarray(0, 199).every(byte => byte === 0x5a))).toBe(true);
    expect(dev.stats.tx_packets).toBe(40);
    expect(world.finish()).toEqual([]);
  });

  it('a short frame, padded to 60 bytes', () => {
    const { transmit, run, sent } = setUp();
    transmit(1, 20);
    run(100_000);
    expect(sent.map(frame => frame.length)).toEqual([60]);
  });

  it('more frames than descriptors on a slow wire, the queue stops, wakes, and nothing is lost', () => {
    const { transmit, run, sent, dev, world } = setUp({ rate: 1e7 });
    transmit(TX_RING_SIZE + 200);
    expect(netif_xmit_stopped(dev._tx[0] as netdev_queue)).toBe(true);
    run(1e9);
    expect(netif_xmit_stopped(dev._tx[0] as netdev_queue)).toBe(false);
    expect(sent).toHaveLength(TX_RING_SIZE + 200);
    expect(sent.map(frame => frame.at(-1))).toEqual(Array.from({ length: TX_RING_SIZE + 200 }, (_, i) => i & 255));
    expect(world.finish()).toEqual([]);
  });

  it('more frames than ring and queue hold, the rest dropped and counted', () => {
    const { transmit, run, sent, dev, world } = setUp({ rate: 1e7 });
    transmit(2000);
    run(1e9);
    const { drops } = dev.qdisc as NonNullable<typeof dev.qdisc>;
    expect(sent.length + drops).toBe(2000);
    expect(drops).toBeGreaterThan(100);
    // As in Linux the device does not count what its queue drops.
    expect(dev.stats.tx_dropped).toBe(0);
    expect(world.finish()).toEqual([]);
  });

  it('a transmitter that never finishes, reset by the watchdog and working again', () => {
    const { transmit, run, sent, dev, card, world } = setUp({ rate: 300 });
    // 250 bytes take longer than the watchdog's five seconds, 60 bytes do not.
    transmit(1, 250);
    transmit(TX_RING_SIZE + 10, 60);
    run(1e9);
    expect(netif_xmit_stopped(dev._tx[0] as netdev_queue)).toBe(true);
    run(60e9);
    expect(dev._tx[0]?.trans_timeout).toBeGreaterThan(0);
    expect(netdev_priv(dev).restarts).toBeGreaterThan(0);
    expect(card.nic.peek(NIC.STATUS.offset) & NIC.STATUS.RDY.mask).toBe(1);
    expect(sent.length).toBeGreaterThan(0);
    expect(world.finish()).toEqual([]);
  });
});

describe('receive', () => {
  it('small frames and large ones, both arrive and are counted', () => {
    const { receive, run, dev, world } = setUp();
    for (let i = 0; i < 600; i++) {
      receive(i % 2 === 0 ? 60 : 1514);
      run(20_000);
    }
    expect([dev.stats.rx_packets, dev.stats.rx_errors, dev.stats.rx_dropped]).toEqual([600, 0, 600]);
    expect(world.finish()).toEqual([]);
  });

  it('no memory for new buffers, the ring runs dry, and fills up again when there is memory', () => {
    const { receive, run, dev, host, world } = setUp();
    host.kernel.skbs.fail_alloc = () => true;
    for (let i = 0; i < 400; i++) {
      receive(1514);
      run(20_000);
    }
    host.exec(() => dev_get_stats(dev));
    expect(dev.stats.rx_packets).toBeLessThan(256);
    expect(dev.stats.rx_missed_errors).toBeGreaterThan(100);
    host.kernel.skbs.fail_alloc = null;
    run(100_000_000);
    const before = dev.stats.rx_packets;
    for (let i = 0; i < 100; i++) {
      receive(1514);
      run(20_000);
    }
    expect(dev.stats.rx_packets - before).toBeGreaterThanOrEqual(100);
    expect(world.finish()).toEqual([]);
  });
});

describe('without NAPI', () => {
  it('frames one by one, one interrupt each at the least, and all of them by netif_rx', () => {
    const { receive, run, dev, host, card, world } = setUp({ drivers: [ringside_irq_driver], costs: true });
    let through = 0;
    host.kernel.trace.netif_rx = () => through++;
    const before = host.kernel.irqs[card.line]?.kstat[0] ?? 0;
    for (let i = 0; i < 300; i++) {
      receive(i % 2 === 0 ? 60 : 1514);
      run(20_000);
    }
    expect([dev.stats.rx_packets, through]).toEqual([300, 300]);
    expect((host.kernel.irqs[card.line]?.kstat[0] ?? 0) - before).toBeGreaterThanOrEqual(300);
    expect(world.finish()).toEqual([]);
  });

  it('a burst larger than one interrupt may take, all of it received', () => {
    const { receive, run, dev, world } = setUp({ drivers: [ringside_irq_driver], costs: true });
    for (let i = 0; i < 200; i++) receive();
    run(10_000_000);
    expect(dev.stats.rx_packets).toBe(200);
    expect(world.finish()).toEqual([]);
  });

  it('transmit back-pressure and removal in full traffic, nothing left behind', () => {
    const { transmit, receive, run, sent, host, world } = setUp({ drivers: [ringside_irq_driver], rate: 1e7 });
    transmit(TX_RING_SIZE + 200);
    for (let i = 0; i < 50; i++) receive();
    run(1e9);
    expect(sent).toHaveLength(TX_RING_SIZE + 200);
    transmit(50);
    host.exec(() => pci_unregister_driver(host.kernel, ringside_irq_driver));
    expect(world.finish()).toEqual([]);
  });
});

describe('the link and the slot', () => {
  it('a cable pulled and plugged, the carrier follows', () => {
    const { card, dev, run, transmit, sent, world } = setUp();
    card.nic.setLink(false);
    card.slot.sync();
    run(100_000);
    expect(dev.carrier).toBe(false);
    card.nic.setLink(true);
    card.slot.sync();
    run(100_000);
    expect(dev.carrier).toBe(true);
    transmit(1);
    run(100_000);
    expect(sent).toHaveLength(1);
    expect(world.finish()).toEqual([]);
  });

  it('a card pulled out while it runs, the host goes on and gives everything back', () => {
    const { card, dev, run, transmit, host, world } = setUp();
    transmit(3);
    run(100_000);
    card.slot.surpriseRemove();
    transmit(3);
    run(20e9);
    host.exec(() => dev_close(dev));
    expect(world.finish()).toEqual([]);
  });

  it('frames on their way to a card when it is pulled out, no DMA, no interrupt, no violation', () => {
    const { card, dev, receive, run, host, world } = setUp();
    for (let i = 0; i < 20; i++) receive(1514);
    run(60_000);
    const before = host.intc.delivered[card.line];
    card.slot.surpriseRemove();
    run(1e9);
    host.exec(() => dev_close(dev));
    expect(host.intc.delivered[card.line]).toBe(before);
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('a card pulled out while its queue is stopped, the watchdog gives it up once', () => {
    const { card, dev, run, host, world } = setUp();
    host.exec(() => netif_stop_queue(dev));
    card.slot.surpriseRemove();
    run(30e9);
    expect(dev.present).toBe(false);
    expect(netdev_priv(dev).restarts).toBe(0);
    expect(host.exec(() => dev_get_stats(dev)).tx_packets).toBeGreaterThanOrEqual(0);
    expect(world.finish()).toEqual([]);
  });

  it('a second device on the same line interrupts, the handler says that it is not ours', () => {
    const { host, card, run, world } = setUp();
    const before = host.kernel.irqs[card.line]?.spurious ?? 0;
    host.intc.setLevel(card.line, true, world.sim.time);
    run(10);
    host.intc.setLevel(card.line, false, world.sim.time);
    run(100_000);
    expect((host.kernel.irqs[card.line]?.spurious ?? 0) - before).toBeGreaterThan(0);
  });
});
