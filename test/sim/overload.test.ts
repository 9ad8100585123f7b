/** More frames than the CPU can take: nothing is lost without being counted where it was lost. */
import { describe, expect, it } from 'vitest';
import { FCS_GOOD } from '../../device/ports.ts';
import { udpFrame } from '../../harness/bench/udp.ts';
import type { Host } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { dev_get_stats } from '../../kernel/net/core/dev.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';

const FRAMES = 10_000;

interface Overload {
  readonly world: World;
  readonly host: Host;
  readonly dev: net_device;
  received: number;
  send(count: number): void;
}

function setUp(memory: number, length: number, rate: number): Overload {
  const world = new World({ seed: 3 });
  const host = world.addHost({
    name: 'host',
    costs: true,
    nics: [{ mac: parseMac('02:00:00:00:00:02'), memory, rate }],
  });
  const [card] = host.cards;
  if (card === undefined) throw new Error('no card');
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', 0x0a010002, 24);
  const frame = udpFrame(length);
  const overload: Overload = {
    world,
    host,
    dev,
    received: 0,
    send(count) {
      for (let left = count; left > 0; left -= 1000) {
        for (let i = 0; i < Math.min(left, 1000); i++) {
          if (!source.send(frame, 0, frame.length, FCS_GOOD, 0, world.sim.time))
            throw new Error('the sender lost a frame');
        }
        cable.refresh();
        world.sim.run(world.sim.time + 1000 * Math.ceil(((length + 24) * 8e9) / rate));
      }
    },
  };
  host.spawn('sink', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 7000));
    const buffer = sys.mmap(2048);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buffer, 2048, 0, null);
      if (n !== length - 42) throw new Error(`recvfrom gave ${n}`);
      overload.received++;
    }
  });
  world.sim.run(world.sim.time + 1_000_000);
  return overload;
}

/** Where frames went, from the counters of each place. */
function account({ host, dev }: Overload): Record<string, number> {
  host.exec(() => dev_get_stats(dev));
  const { mib } = host.kernel.init_net.ipv4;
  return {
    missed: dev.stats.rx_missed_errors,
    dropped: dev.stats.rx_dropped,
    rcvbuf: mib.UdpRcvbufErrors,
    delivered: mib.UdpInDatagrams,
  };
}

describe.each<[string, number, number, number, 'missed' | 'rcvbuf']>([
  ['64-byte frames at 10 Gbit/s, 4 KiB card', 4096, 64, 1e10, 'missed'],
  ['1514-byte frames at 10 Gbit/s, 4 KiB card', 4096, 1514, 1e10, 'rcvbuf'],
  ['64-byte frames at 10 Gbit/s, 16 KiB card', 16384, 64, 1e10, 'missed'],
])('%s', (_name, memory, length, rate, where) => {
  it('10,000 frames faster than the CPU, each delivered or counted where it was dropped', () => {
    const overload = setUp(memory, length, rate);
    overload.send(FRAMES);
    overload.world.sim.run(overload.world.sim.time + 100_000_000);
    const places = account(overload);
    expect(Object.values(places).reduce((sum, n) => sum + n, 0)).toBe(FRAMES);
    expect(overload.received).toBe(places.delivered);
    expect(overload.received).toBeLessThan(FRAMES);
    expect(overload.received).toBeGreaterThan(100);
    // Large frames come slowly enough for the softirq, which leaves nothing to the program: they end at its socket.
    expect(places[where]).toBeGreaterThan(0);

    // The ring recovers: what comes slowly afterwards arrives whole.
    const before = overload.received;
    for (let i = 0; i < 20; i++) {
      overload.send(1);
      overload.world.sim.run(overload.world.sim.time + 1_000_000);
    }
    expect(overload.received - before).toBe(20);
    expect(overload.world.violations).toEqual([]);
    expect(overload.world.finish()).toEqual([]);
  });
});
