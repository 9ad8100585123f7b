/** A million frames of every length over a wire with faults: nothing unaccounted for, nothing left behind. */
import { expect, it } from 'vitest';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { dev_get_stats } from '../../kernel/net/core/dev.ts';
import { MSG_DONTWAIT } from '../../kernel/net/msg.ts';

const FRAMES = 1_000_000;

it('a million datagrams of 1 to 1472 bytes under loss, duplication and corruption, every one accounted for', {
  timeout: 1_200_000,
}, () => {
  const world = new World({ seed: 42, hash: false });
  const left = world.addHost({ name: 'left', nics: [{ mac: parseMac('02:00:00:00:00:01') }] });
  const right = world.addHost({ name: 'right', costs: true, nics: [{ mac: parseMac('02:00:00:00:00:02') }] });
  const [a] = left.cards;
  const [b] = right.cards;
  if (a === undefined || b === undefined) throw new Error('no cards');
  world.connect(a, b, { impairments: { loss: 0.01, duplicate: 0.01, corrupt: 0.01 } });
  left.up('eth0', 0x0a000001, 24);
  const dev = right.up('eth0', 0x0a000002, 24);
  let received = 0;
  let wrong = 0;
  right.spawn('sink', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 7));
    const buffer = sys.mmap(2048);
    const { u8 } = sys.kernel.ram;
    for (;;) {
      const n = yield* sys.recvfrom(fd, buffer, 2048, 0, null);
      const first = u8[buffer] as number;
      if (u8[buffer + n - 1] !== ((first + n - 1) & 0xff)) wrong++;
      received++;
    }
  });
  let sent = 0;
  left.spawn('source', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    const buffer = sys.mmap(2048);
    const to = sys.sockaddr(0x0a000002, 7);
    const { u8 } = sys.kernel.ram;
    while (sent < FRAMES) {
      const length = 1 + ((sent * 7919) % 1472);
      for (let i = 0; i < length; i++) u8[buffer + i] = (sent + i) & 0xff;
      if ((yield* sys.sendto(fd, buffer, length, MSG_DONTWAIT, to)) === length) sent++;
      yield* sys.nanosleep(14_000);
    }
    return 0;
  });
  while (sent < FRAMES) world.sim.run(world.sim.time + 1e9);
  world.sim.run(world.sim.time + 1e9);
  right.exec(() => dev_get_stats(dev));
  const { mib } = right.kernel.init_net.ipv4;
  expect(wrong).toBe(0);
  expect(received).toBe(mib.UdpInDatagrams);
  // About 1 % lost and 1 % corrupted of what was sent, 1 % of it twice.
  expect(dev.stats.rx_crc_errors).toBeGreaterThan(FRAMES * 0.008);
  expect(received).toBeGreaterThan(FRAMES * 0.98);
  expect(received).toBeLessThan(FRAMES * 1.0);
  expect(world.violations).toEqual([]);
  expect(world.finish()).toEqual([]);
});
