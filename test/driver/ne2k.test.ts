/** The NE2000's driver against the NE2000: bring-up, traffic, overruns, and what goes wrong. */
import { describe, expect, it } from 'vitest';
import { NE2000 } from '../../device/regs/ne2000.ts';
import { ne2k_pci_driver } from '../../driver/ne2k/main.ts';
import { netdev_priv } from '../../driver/ne2k/ne2k.ts';
import type { Host, Plugged } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import {
  dev_close,
  dev_get_stats,
  dev_mc_add,
  dev_open,
  dev_queue_xmit,
  dev_set_promiscuity,
} from '../../kernel/net/core/dev.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { alloc_skb, type sk_buff, skb_put, skb_reserve } from '../../kernel/net/core/skbuff.ts';
import { MSG_DONTWAIT } from '../../kernel/net/msg.ts';
import { pci_unregister_driver } from '../../kernel/pci.ts';

const MAC = parseMac('02:00:00:00:00:02');
const LEFT = 0x0a000001;
const RIGHT = 0x0a000002;

interface Bench {
  readonly world: World;
  readonly host: Host;
  readonly card: Plugged;
  readonly dev: net_device;
  readonly sent: Uint8Array[];
  transmit(count: number, length?: number): void;
  receive(count: number, length?: number, to?: Uint8Array): void;
  run(ns: number): void;
  peek(register: { readonly index: number }): number;
}

function setUp(rate = 1e7, costs = false): Bench {
  const world = new World();
  const host = world.addHost({ name: 'host', costs, nics: [{ mac: MAC, rate, model: 'ne2000' }] });
  const card = host.cards[0] as Plugged;
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', LEFT, 24);
  world.sim.run(5_000_000);
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
    receive(count, length = 60, to = new Uint8Array(6).fill(0xff)) {
      for (let i = 0; i < count; i++) {
        const frame = new Uint8Array(length);
        frame.set(to);
        frame[12] = 0x12;
        frame[length - 1] = i;
        source.send(frame, 0, length, -1, 0, world.sim.time);
      }
      cable.refresh();
    },
    run: ns => world.sim.run(world.sim.time + ns),
    peek: register => card.nic.peek(register.index),
  };
}

describe('bring-up', () => {
  it('a card probed, its address comes from the PROM and it is an Ethernet of 1500 bytes', () => {
    const { dev, peek, world } = setUp();
    expect([...dev.dev_addr]).toEqual([...MAC]);
    expect([dev.mtu, dev.max_mtu, dev.carrier]).toEqual([1500, 1500, true]);
    expect([NE2000.PSTART, NE2000.PSTOP, NE2000.CURR, NE2000.BNRY].map(peek)).toEqual([0x4c, 0x80, 0x4c, 0x7f]);
    expect([NE2000.PAR0, NE2000.PAR5, NE2000.DCR].map(peek)).toEqual([2, 2, 0x49]);
    expect(world.violations).toEqual([]);
  });

  it('opened and closed a hundred times with frames on their way, nothing is left behind', () => {
    const { world, host, dev, transmit, receive, run, peek } = setUp();
    for (let i = 0; i < 100; i++) {
      transmit(3);
      receive(2);
      run(100_000);
      host.exec(() => dev_close(dev));
      expect(peek(NE2000.CR) & 3).toBe(1);
      host.exec(() => dev_open(dev));
    }
    expect(world.finish()).toEqual([]);
  });

  it('the driver removed while traffic flows, everything is given back', () => {
    const { host, world, transmit, receive, run } = setUp();
    transmit(20);
    receive(20);
    run(200_000);
    host.exec(() => pci_unregister_driver(host.kernel, ne2k_pci_driver));
    run(10_000_000);
    expect(world.finish()).toEqual([]);
  });

  it('the card pulled out, the handler notices and the device is detached', () => {
    const { host, dev, card, receive, run } = setUp();
    receive(1);
    run(1);
    card.slot.setLevel(true);
    card.slot.removed = true;
    run(1_000_000);
    expect([netdev_priv(dev).removed, dev.present]).toEqual([true, false]);
    card.slot.surpriseRemove();
    host.exec(() => dev_close(dev));
  });
});

describe('transmit', () => {
  it('frames handed over, leave in order and byte for byte, two buffers in turn', () => {
    const { transmit, run, sent, dev, world } = setUp();
    transmit(40, 201);
    run(20_000_000);
    expect(sent.map(frame => frame.at(-1))).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(sent.every(frame => frame.length === 201 && frame.subarray(0, 200).every(byte => byte === 0x5a))).toBe(true);
    expect([dev.stats.tx_packets, dev.stats.tx_bytes]).toEqual([40, 40 * 201]);
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('a short frame, filled up with zeros to 60 bytes', () => {
    const { transmit, run, sent } = setUp();
    transmit(1, 21);
    run(1_000_000);
    expect(sent).toHaveLength(1);
    expect([...(sent[0] as Uint8Array)]).toEqual([...new Array(20).fill(0x5a), 0, ...new Array(39).fill(0)]);
  });

  it('a transmitter that does not report, the watchdog resets the card and traffic goes on', () => {
    const { transmit, run, sent, dev, card, world } = setUp();
    card.nic.setLink(false);
    const write = card.slot.write.bind(card.slot);
    // The command gets lost: the card never sends.
    card.slot.write = (bar, offset, width, value) =>
      write(bar, offset, width, offset === 0 ? value & ~NE2000.CR.TXP.mask : value);
    transmit(4);
    run(20_000_000_000);
    card.slot.write = write;
    card.nic.setLink(true);
    expect(netdev_priv(dev).resets).toBeGreaterThan(0);
    transmit(2);
    run(10_000_000_000);
    expect(sent.length).toBeGreaterThan(0);
    expect(world.finish()).toEqual([]);
  });
});

describe('receive', () => {
  it.each([60, 61, 250, 252, 1513, 1514])(
    'frames of %i bytes, arrive whole, one interrupt and more for each',
    length => {
      const { receive, run, dev, host, world } = setUp();
      let interrupts = 0;
      host.kernel.trace.netif_rx = () => void interrupts++;
      receive(50, length, MAC);
      run(200_000_000);
      expect([dev.stats.rx_packets, dev.stats.rx_bytes, interrupts]).toEqual([50, 50 * length, 50]);
      expect(world.violations).toEqual([]);
      expect(world.finish()).toEqual([]);
    },
  );

  it('multicast only after joining, everything when promiscuous', () => {
    const group = Uint8Array.of(1, 0, 0x5e, 1, 2, 3);
    const other = Uint8Array.of(2, 9, 9, 9, 9, 9);
    const { receive, run, dev, host } = setUp();
    receive(1, 60, group);
    receive(1, 60, other);
    run(1_000_000);
    expect(dev.stats.rx_packets).toBe(0);
    host.exec(() => dev_mc_add(dev, 0x01005e010203));
    receive(1, 60, group);
    run(1_000_000);
    expect([dev.stats.rx_packets, dev.stats.multicast]).toEqual([1, 1]);
    host.exec(() => dev_set_promiscuity(dev, 1));
    receive(1, 60, other);
    run(1_000_000);
    expect(dev.stats.rx_packets).toBe(2);
  });

  it('a ring that runs over, is recovered as the data sheet prescribes: what was stored is delivered, what was missed counted', () => {
    const { receive, run, dev, host, card, world, transmit, sent } = setUp(1e8);
    // Nobody listens for a while.
    host.exec(() => host.intc.mask(card.line));
    receive(100, 1000, MAC);
    run(50_000_000);
    const stored = card.nic.stats.counts[0] as number;
    transmit(1);
    host.exec(() => host.intc.unmask(card.line));
    run(100_000_000);
    host.exec(() => dev_get_stats(dev));
    expect(netdev_priv(dev).overruns).toBe(1);
    expect(dev.stats.rx_packets).toBe(stored);
    expect(stored + dev.stats.rx_missed_errors).toBe(100);
    expect(dev.stats.rx_over_errors).toBe(1);
    expect(sent).toHaveLength(1);
    receive(10, 1000, MAC);
    run(50_000_000);
    expect(dev.stats.rx_packets).toBe(stored + 10);
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });

  it('a header that leads nowhere, the ring is given up and reception goes on', () => {
    const { receive, run, dev, host, card, world } = setUp();
    host.exec(() => host.intc.mask(card.line));
    receive(3, 100, MAC);
    run(10_000_000);
    const { ring } = card.nic;
    ring.bytes[ring.indexOf(0x4c) + 1] = 0x22;
    host.exec(() => host.intc.unmask(card.line));
    run(1_000_000);
    expect([dev.stats.rx_packets, dev.stats.rx_errors]).toEqual([0, 1]);
    receive(3, 100, MAC);
    run(10_000_000);
    expect(dev.stats.rx_packets).toBe(3);
    expect(world.finish()).toEqual([]);
  });
});

describe('on a wire with a native host', () => {
  it.each([
    ['without', false],
    ['with', true],
  ])('UDP passes both ways, %s the cost model', (_, costs) => {
    const world = new World({ seed: 7 });
    const rate = 1e7;
    const left = world.addHost({
      name: 'old',
      costs,
      nics: [{ mac: parseMac('02:00:00:00:00:01'), model: 'ne2000', rate }],
    });
    const right = world.addHost({ name: 'new', costs, nics: [{ mac: MAC, rate }] });
    world.connect(left.cards[0] as Plugged, right.cards[0] as Plugged);
    left.up('eth0', LEFT, 24);
    right.up('eth0', RIGHT, 24);
    const seen: number[] = [];
    right.spawn('echo', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, 7));
      const buffer = sys.mmap(2048);
      const from = sys.sockaddr();
      for (;;) {
        const n = yield* sys.recvfrom(fd, buffer, 2048, 0, from);
        yield* sys.sendto(fd, buffer, n, 0, from);
      }
    });
    left.spawn('client', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(LEFT, 5000));
      const buffer = sys.mmap(2048);
      const to = sys.sockaddr(RIGHT, 7);
      for (let i = 0; i < 100; i++) {
        yield* sys.sendto(fd, buffer, 1 + i * 14, 0, to);
        yield* sys.nanosleep(10_000_000);
        for (let n = 0; n >= 0; ) {
          n = yield* sys.recvfrom(fd, buffer, 2048, MSG_DONTWAIT, null);
          if (n >= 0) seen.push(n);
        }
      }
      return 0;
    });
    world.sim.run(3e9);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => 1 + i * 14));
    expect(world.violations).toEqual([]);
    expect(world.finish()).toEqual([]);
  });
});
