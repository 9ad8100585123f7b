/** Transmit from the stack down to a driver: what a driver may answer, and what a device without carrier does. */
import { describe, expect, it } from 'vitest';
import {
  alloc_netdev,
  dev_open,
  dev_queue_xmit,
  NET_XMIT_CN,
  netif_carrier_off,
  netif_stop_queue,
  netif_wake_queue,
  register_netdev,
  type softnet_data,
} from '../../../../kernel/net/core/dev.ts';
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type net_device,
  type net_device_ops,
  type netdev_tx_t,
} from '../../../../kernel/net/core/netdevice.ts';
import { alloc_skb, consume_skb, type sk_buff, skb_put } from '../../../../kernel/net/core/skbuff.ts';
import { SO_BROADCAST, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { ether_setup } from '../../../../kernel/net/ethernet/eth.ts';
import {
  AF_INET,
  AF_PACKET,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  sockaddr_ll,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import { timer_list } from '../../../../kernel/time/timer.ts';
import { pair } from '../../../pair.ts';
import { type Bench, bench } from '../../host.ts';

/** A device that is up and has a link, with a transmitter of the test's. */
function device(b: Bench, ndo_start_xmit: net_device_ops['ndo_start_xmit']): net_device {
  return b.host.exec(() => {
    const ops = { ndo_open: () => 0, ndo_stop: () => 0, ndo_start_xmit };
    const dev = alloc_netdev(b.kernel, 'test%d', ops, ether_setup);
    dev.carrier = true;
    register_netdev(dev);
    dev_open(dev);
    return dev;
  });
}

function transmit(b: Bench, dev: net_device, count = 1): number[] {
  return b.host.exec(() =>
    Array.from({ length: count }, () => {
      const skb = alloc_skb(b.kernel, 200) as sk_buff;
      skb_put(skb, 60);
      skb.dev = dev;
      return dev_queue_xmit(skb);
    }),
  );
}

describe('net_tx_action', () => {
  it('a driver that says BUSY for ever without stopping its queue, tried again but timers go on', () => {
    const b = bench();
    b.kernel.cost.softirq_entry = 80;
    let tries = 0;
    const dev = device(b, (): netdev_tx_t => {
      tries++;
      b.kernel.clock.now += 100;
      return NETDEV_TX_BUSY;
    });
    let ticks = 0;
    const timer = new timer_list(b.kernel, self => {
      ticks++;
      self.mod(b.kernel.timers.jiffies() + 1);
    });
    timer.mod(1);
    transmit(b, dev);
    b.world.sim.run(10e6);
    expect(ticks).toBeGreaterThan(3);
    expect(tries).toBeGreaterThan(100);
  });

  it('several queues scheduled, each run once a round', () => {
    const b = bench();
    const order: string[] = [];
    const devices = [0, 1, 2].map(i =>
      device(b, (skb): netdev_tx_t => {
        order.push(`${i}`);
        if (order.length <= 21) return NETDEV_TX_BUSY;
        consume_skb(skb);
        return NETDEV_TX_OK;
      }),
    );
    b.interrupt(5, 1000, () => {
      for (const dev of devices) {
        const skb = alloc_skb(b.kernel, 200) as sk_buff;
        skb_put(skb, 60);
        skb.dev = dev;
        dev_queue_xmit(skb);
      }
    });
    b.world.sim.run(1e6);
    expect(order.join('')).toBe('012'.repeat(8));
  });
});

describe('a device that is up without carrier', () => {
  it('a packet handed to it, dropped and counted, and the result is congestion and not a drop', () => {
    const b = bench();
    const dev = device(b, () => expect.unreachable());
    b.host.exec(() => netif_carrier_off(dev));
    expect(transmit(b, dev)).toEqual([NET_XMIT_CN]);
    expect(dev.stats.tx_dropped).toBe(1);
  });

  it('a frame sent by AF_PACKET, is lost and the send is no error', () => {
    const { left, leftDev, run } = pair();
    left.exec(() => netif_carrier_off(leftDev));
    let sent = 0;
    left.spawn('p', function* (sys) {
      const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, 0);
      sent = yield* sys.sendto(fd, sys.mmap(64), 60, 0, new sockaddr_ll(leftDev.ifindex, 0x800));
      return 0;
    });
    run(1e6);
    expect(sent).toBe(60);
  });

  it('a datagram sent by UDP, counts as sent', () => {
    const { left, leftDev, run } = pair();
    left.exec(() => netif_carrier_off(leftDev));
    let sent = 0;
    left.spawn('p', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const on = new sockopt();
      on.value = 1;
      yield* sys.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, on);
      sent = yield* sys.sendto(fd, sys.mmap(64), 10, 0, new sockaddr_in(0x0a0000ff, 7));
      return 0;
    });
    run(1e6);
    const { mib } = left.kernel.init_net.ipv4;
    expect([sent, mib.UdpOutDatagrams, mib.UdpSndbufErrors]).toEqual([10, 1, 0]);
  });
});

describe('a device without a queue', () => {
  it('woken by its driver, nothing waits and nothing breaks', () => {
    const b = bench();
    const lo = b.kernel.init_net.loopback_dev as net_device;
    b.host.exec(() => {
      netif_stop_queue(lo);
      netif_wake_queue(lo);
    });
    b.world.sim.run(1e6);
    expect(b.world.finish()).toEqual([]);
  });

  it('in two worlds, each has its own discipline', () => {
    const [one, other] = [bench(), bench()].map(({ kernel }) => kernel.init_net.loopback_dev?._tx[0]);
    expect(one?.qdisc).not.toBe(other?.qdisc);
    expect(one?.qdisc.dev_queue).toBe(one);
  });
});

describe('the loopback', () => {
  it('more packets at once than the backlog takes, counts those that it took, without their Ethernet headers', () => {
    const b = bench({ costs: false });
    const lo = b.kernel.init_net.loopback_dev as net_device;
    transmit(b, lo, 1100);
    const { dropped } = b.kernel.softnet[0] as softnet_data;
    expect(dropped).toBeGreaterThan(90);
    const { rx_packets, tx_packets, rx_bytes, tx_bytes } = lo.stats;
    expect([rx_packets, tx_packets]).toEqual([1100 - dropped, 1100 - dropped]);
    expect([rx_bytes, tx_bytes]).toEqual([rx_packets * 46, rx_packets * 46]);
  });
});
