/** TCP over cards with several queues that are unplugged, shut, rebuilt and pulled out while the bytes run. */
import { describe, expect, test } from 'vitest';
import type { Nic } from '../../../device/nic.ts';
import { ringside_driver } from '../../../driver/ringside/main.ts';
import type { Host } from '../../../harness/machine/host.ts';
import { tc } from '../../../harness/shell/tc.ts';
import { Random } from '../../../harness/sim/random.ts';
import { accept, connect, listen, type Stream, SysError } from '../../../harness/user/index.ts';
import { dev_close, dev_open, dev_set_mtu } from '../../../kernel/net/core/dev.ts';
import { ethtool_set_features } from '../../../kernel/net/core/features.ts';
import type { net_device } from '../../../kernel/net/core/netdevice.ts';
import {
  ethtool_set_channels,
  ethtool_set_coalesce,
  ethtool_set_ringparam,
} from '../../../kernel/net/ethtool/ethtool.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { pci_register_driver, pci_unregister_driver } from '../../../kernel/pci.ts';
import { spawn } from '../../../kernel/syscalls.ts';
import { LEFT, type Pair, pair, RIGHT } from '../../pair.ts';

const MS = 1e6;
const SECOND = 1e9;
const FLOWS = 6;

const eth0 = (host: Host): net_device | null => host.kernel.init_net.dev_get_by_name('eth0');
const addressOf = (p: Pair, host: Host): number => (host === p.left ? LEFT : RIGHT);
const nic = (host: Host): Nic => (host.cards[0] as Host['cards'][0]).nic as Nic;

/** What may be done to a card. Gives what puts it right again, where something has to. */
const DEEDS: Record<string, (p: Pair, host: Host, chance: Random) => (() => void) | undefined> = {
  'link down'(_p, host) {
    nic(host).setLink(false);
    host.cards[0]?.slot.sync();
    return () => {
      nic(host).setLink(true);
      host.cards[0]?.slot.sync();
    };
  },
  'ip link set down'(p, host) {
    host.exec(() => dev_close(eth0(host) as net_device));
    return () => {
      host.exec(() => dev_open(eth0(host) as net_device));
      expect(addressOf(p, host)).not.toBe(0);
    };
  },
  'driver unbound'(p, host) {
    host.exec(() => pci_unregister_driver(host.kernel, ringside_driver));
    expect(eth0(host)).toBe(null);
    return () => {
      host.exec(() => {
        expect(pci_register_driver(host.kernel, ringside_driver)).toBe(1);
        const dev = eth0(host) as net_device;
        dev_open(dev);
        inet_addr_add(dev, addressOf(p, host), 24);
      });
    };
  },
  mtu(_p, host, chance) {
    host.exec(() => dev_set_mtu(eth0(host) as net_device, 600 + chance.below(901)));
    return undefined;
  },
  'ethtool -L'(_p, host, chance) {
    host.exec(() => expect(ethtool_set_channels(eth0(host) as net_device, 1 + chance.below(4))).toBe(0));
    return undefined;
  },
  'ethtool -G'(_p, host, chance) {
    const size = (): number => 8 << chance.below(5);
    host.exec(() => expect(ethtool_set_ringparam(eth0(host) as net_device, size(), size())).toBe(0));
    return undefined;
  },
  'ethtool -C'(_p, host, chance) {
    host.exec(() => ethtool_set_coalesce(eth0(host) as net_device, chance.below(200), chance.below(20)));
    return undefined;
  },
  'ethtool -K'(_p, host, chance) {
    host.exec(() => {
      const dev = eth0(host) as net_device;
      expect(ethtool_set_features(dev, dev.hw_features, chance.u32() & dev.hw_features)).toBe(0);
    });
    return undefined;
  },
  'tc qdisc'(_p, host, chance) {
    host.exec(() => {
      const dev = eth0(host) as net_device;
      const kind = ['fq_codel', 'pfifo_fast', 'pfifo limit 20', 'tbf rate 200mbit burst 20k latency 20ms', 'prio'];
      tc([dev], `qdisc replace dev eth0 root ${kind[chance.below(kind.length)]}`);
    });
    return undefined;
  },
};

interface Outcome {
  sent: number;
  got: number;
  wrong: number;
  error: string | null;
  ended: boolean;
}

const byteOf = (flow: number, at: number): number => (flow * 31 + at * 7 + (at >> 8)) & 255;

/** Sends `total` bytes, then its end; reads to the end and checks. */
function* talk(stream: Stream, flow: number, total: number, outcome: Outcome): Generator<undefined, void, undefined> {
  while (outcome.sent < total) {
    const from = outcome.sent;
    const piece = Uint8Array.from({ length: Math.min(7000, total - from) }, (_, i) => byteOf(flow, from + i));
    yield* stream.write(piece);
    outcome.sent += piece.length;
  }
  yield* stream.end();
  for (;;) {
    const part = yield* stream.read();
    if (part.length === 0) break;
    for (const value of part) if (value !== byteOf(flow, outcome.got++)) outcome.wrong++;
  }
}

/** `FLOWS` connections from left to right; in every other one the bytes go back. What became of each side. */
function start(p: Pair, total: number): Outcome[] {
  const outcomes: Outcome[] = [];
  const make = (): Outcome => {
    const outcome: Outcome = { sent: 0, got: 0, wrong: 0, error: null, ended: false };
    outcomes.push(outcome);
    return outcome;
  };
  for (let flow = 0; flow < FLOWS; flow++) {
    for (const host of [p.right, p.left]) {
      const outcome = make();
      const sender = flow % 2 === 0 ? p.left : p.right;
      host.kernel.exec(() =>
        spawn(
          host.kernel,
          `flow${flow}`,
          function* (sys) {
            try {
              let stream: Stream;
              if (host === p.right) {
                const fd = yield* listen(sys, 100 + flow);
                stream = (yield* accept(sys, fd)).stream;
                yield* sys.close(fd);
              } else stream = yield* connect(sys, { address: '10.0.0.2', port: 100 + flow });
              try {
                yield* talk(stream, flow, sender === host ? total : 0, outcome);
              } finally {
                yield* stream.close();
              }
            } catch (error) {
              if (!(error instanceof SysError)) throw error;
              outcome.error = error.code;
            }
            outcome.ended = true;
            return 0;
          },
          flow % host.kernel.cpus.length,
        ),
      );
    }
  }
  return outcomes;
}

/** Is the side of this outcome the one that sends? */
const sends = (i: number): boolean => (i & 1) === ((i >> 1) & 1 ? 0 : 1);

describe('TCP both ways over four queues', () => {
  test.each(Array.from({ length: 6 }, (_, i) => i + 1))('upheavals of all kinds, seed %i: every byte arrives', seed => {
    const chance = new Random(seed, 'upheaval');
    const p = pair({ cpus: 4, seed, costs: seed % 2 === 0 });
    const outcomes = start(p, 400_000);
    const names = Object.keys(DEEDS);
    const log: string[] = [];
    for (let i = 0; i < 25; i++) {
      p.run(chance.below(4 * MS));
      const host = chance.below(2) === 0 ? p.left : p.right;
      const name = names[chance.below(names.length)] as string;
      log.push(`${host.name} ${name}`);
      const undo = DEEDS[name]?.(p, host, chance);
      if (undo === undefined) continue;
      p.run(chance.below(30 * MS));
      undo();
    }
    p.run(300 * SECOND);
    expect(outcomes, log.join('\n')).toEqual(
      outcomes.map((_, i) => {
        const all = sends(i);
        return { sent: all ? 400_000 : 0, got: all ? 0 : 400_000, wrong: 0, error: null, ended: true };
      }),
    );
    p.run(70 * SECOND);
    expect(p.finish()).toEqual([]);
  });

  test.each([1, 4])('a card is pulled out, seed %i: who sends learns of it, and nothing is left', seed => {
    const chance = new Random(seed, 'pulled');
    const p = pair({ cpus: 4, seed, costs: seed % 2 === 0 });
    for (const host of [p.left, p.right]) host.kernel.init_net.ipv4.tcp_retries2 = 5;
    const outcomes = start(p, 1_500_000);
    p.run(1 * MS + chance.below(10 * MS));
    p.left.cards[0]?.slot.surpriseRemove();
    p.run(chance.below(50 * MS));
    // The hot-plug driver's part: the device goes.
    if (seed > 2) p.left.exec(() => pci_unregister_driver(p.left.kernel, ringside_driver));
    p.run(200 * SECOND);
    for (const [i, { ended, error, wrong }] of outcomes.entries()) {
      expect(wrong).toBe(0);
      // Who has nothing to send, hears of nothing: it has not asked for keep-alives.
      if (sends(i)) expect([ended, error]).toEqual([true, 'ETIMEDOUT']);
      else expect([ended, error]).toEqual([false, null]);
    }
    expect(p.finish()).toEqual([]);
  });
});
