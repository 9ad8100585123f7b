import { describe, expect, it } from 'vitest';
import {
  proc_interrupts,
  proc_irq_smp_affinity,
  proc_net_dev,
  proc_net_softnet_stat,
  proc_softirqs,
} from '../../../../kernel/fs/proc.ts';
import { IRQ_HANDLED, irq_set_affinity, request_irq } from '../../../../kernel/irq/manage.ts';
import { hsiphash, hsiphash_key } from '../../../../kernel/lib/siphash.ts';
import type { softnet_data } from '../../../../kernel/net/core/dev.ts';
import { flow_keys, skb_flow_dissect_flow_keys, skb_get_hash } from '../../../../kernel/net/core/flow_dissector.ts';
import {
  enqueue_to_backlog,
  netif_set_real_num_rx_queues,
  rps_sock_flow_sysctl,
  show_rps_map,
  store_rps_flow_cnt,
  store_rps_map,
} from '../../../../kernel/net/core/rps.ts';
import { consume_skb, netdev_alloc_skb_ip_align, type sk_buff, skb_put } from '../../../../kernel/net/core/skbuff.ts';
import { eth_type_trans } from '../../../../kernel/net/ethernet/eth.ts';
import { AF_INET, SOCK_DGRAM } from '../../../../kernel/net/msg.ts';
import { pollerAndSink, stream, tagged, tcpFrame, udpFrame } from '../rx.ts';
import { A, Segment } from '../segment.ts';

const setUp = (options: { cpus?: number; costs?: boolean } = {}) => pollerAndSink({ cpus: 4, ...options });

/** `count` segments with PSH of each of `flows` flows, mixed; seq counts within a flow. */
function mixed(flows: number, count: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let n = 0; n < count; n++) {
    for (let flow = 0; flow < flows; flow++) {
      frames.push(tcpFrame({ sport: 1000 + flow, seq: n, flags: 0x18, payload: [flow] }, { id: n }));
    }
  }
  return frames;
}

function frameSkb(segment: Segment, frame: Uint8Array): sk_buff {
  const skb = netdev_alloc_skb_ip_align(segment.dev, frame.length) as sk_buff;
  skb.ram.u8.set(frame, skb_put(skb, frame.length));
  skb.protocol = eth_type_trans(skb, segment.dev);
  skb.network_header = skb.data;
  return skb;
}

describe('the flow hash', () => {
  it('HalfSipHash-1-3 with the key 0…7, the reference’s values', () => {
    const key = new hsiphash_key(0x03020100, 0x07060504);
    const words = Int32Array.of(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
    // lib/tests/siphash_kunit.c, test_vectors_hsiphash for 32-bit machines, lengths 0, 4, 8, 12, 16.
    const values = [0, 1, 2, 3, 4].map(n => hsiphash(words, n, key) >>> 0);
    expect(values).toEqual([0x5814c896, 0x7e059ea6, 0x577999b1, 0x6b28096c, 0x8b31d501]);
  });

  it('both directions of a flow, one hash; another port, another', () => {
    const segment = new Segment();
    segment.exec(() => {
      const hash = (frame: Uint8Array): number => {
        const skb = frameSkb(segment, frame);
        const value = skb_get_hash(skb);
        expect([skb.sw_hash, skb.l4_hash]).toEqual([1, 1]);
        consume_skb(skb);
        return value;
      };
      const there = hash(tcpFrame({ sport: 1, dport: 2 }, { src: A, dst: A + 1 }));
      expect(hash(tcpFrame({ sport: 2, dport: 1 }, { src: A + 1, dst: A }))).toBe(there);
      expect(hash(tcpFrame({ sport: 3, dport: 2 }, { src: A, dst: A + 1 }))).not.toBe(there);
    });
    segment.finish();
  });

  it('fragments have no ports, tags and broken headers are survived', () => {
    const segment = new Segment();
    segment.exec(() => {
      const keys = new flow_keys();
      const dissect = (frame: Uint8Array): [boolean, number, number, boolean] => {
        const skb = frameSkb(segment, frame);
        const whole = skb_flow_dissect_flow_keys(skb, keys);
        consume_skb(skb);
        return [whole, keys.n_proto, keys.ports >>> 0, keys.is_fragment];
      };
      expect(dissect(udpFrame({ sport: 1, dport: 2 }))).toEqual([true, 0x800, 0x10002, false]);
      expect(dissect(udpFrame({ sport: 1, dport: 2 }, { frag: 0x2000 }))).toEqual([true, 0x800, 0, true]);
      expect(dissect(tagged(udpFrame({ sport: 1, dport: 2 }), 7))).toEqual([true, 0x800, 0x10002, false]);
      expect(keys.vlan).toBe(7);
      for (let length = 15; length < 38; length++) expect(dissect(udpFrame().subarray(0, length))[0]).toBe(false);
    });
    segment.finish();
  });
});

describe('RPS', () => {
  it('off, everything on the CPU that polls', () => {
    const { poller, got, finish } = setUp();
    poller.poll(...mixed(20, 2));
    expect(new Set(got.map(({ cpu }) => cpu))).toEqual(new Set([0]));
    finish();
  });

  it.each([false, true])('rps_cpus e (costs %s): flows on CPUs 1 to 3, each on one and in order', costs => {
    const { segment, poller, got, finish } = setUp({ costs });
    expect(store_rps_map(segment.dev, 0, 'e')).toBe(0);
    expect(show_rps_map(segment.dev, 0)).toBe('e');
    poller.poll(...mixed(40, 10));
    segment.wait(0.1);
    expect(got.length).toBe(400);
    const cpus = new Map<number, Set<number>>();
    const seqs = new Map<number, number[]>();
    for (const { sport, cpu, seq } of got) {
      cpus.set(sport, (cpus.get(sport) ?? new Set()).add(cpu));
      seqs.set(sport, [...(seqs.get(sport) ?? []), seq]);
    }
    expect([...cpus.values()].every(({ size }) => size === 1)).toBe(true);
    expect(new Set(got.map(({ cpu }) => cpu))).toEqual(new Set([1, 2, 3]));
    expect([...seqs.values()].every(list => list.every((seq, i) => seq === i))).toBe(true);
    const { softnet, cpus: all } = segment.kernel;
    // One interrupt for many packets, and one softirq entry for each.
    for (const id of [1, 2, 3]) {
      expect(all[id]?.call_count).toBeGreaterThan(0);
      expect(all[id]?.call_count).toBe(softnet[id]?.received_rps);
      expect(all[id]?.call_count).toBeLessThan(got.length / 3);
    }
    expect(softnet.map(({ processed }) => processed).reduce((a, b) => a + b)).toBe(400);
    finish();
  });

  it('costs on: the target works while the sender does, and never before the packet was put there', () => {
    const { segment, poller, finish } = setUp({ costs: true });
    store_rps_map(segment.dev, 0, '2');
    const put: number[] = [];
    const taken: number[] = [];
    const { kernel } = segment;
    kernel.trace.enqueue_to_backlog = () => put.push(kernel.clock.now);
    kernel.trace.netif_receive_skb = () => taken.push(kernel.clock.now);
    for (let i = 0; i < 20; i++) {
      poller.poll(...mixed(1, 20));
      segment.wait(0.000003);
    }
    segment.wait(0.1);
    expect(taken.length).toBe(400);
    expect(taken.every((time, i) => time >= (put[i] as number))).toBe(true);
    finish();
  });

  it('a mask without CPUs turns it off; nonsense is refused', () => {
    const { segment, finish } = setUp();
    expect(store_rps_map(segment.dev, 0, '3')).toBe(0);
    expect(segment.net.rps_needed).toBe(1);
    expect(store_rps_map(segment.dev, 0, '00000000,00000000')).toBe(0);
    expect(segment.net.rps_needed).toBe(0);
    expect(store_rps_map(segment.dev, 0, 'x')).toBeLessThan(0);
    expect(store_rps_map(segment.dev, 1, '1')).toBeLessThan(0);
    expect(netif_set_real_num_rx_queues(segment.dev, 2)).toBe(0);
    expect(store_rps_map(segment.dev, 1, '1')).toBe(0);
    expect(netif_set_real_num_rx_queues(segment.dev, 1)).toBe(0);
    expect(segment.net.rps_needed).toBe(0);
    finish();
  });

  it('a backlog over netdev_max_backlog, dropped with its reason and counted', () => {
    const { segment, poller, got, finish } = setUp({ costs: true });
    segment.net.sysctl.netdev_max_backlog = 5;
    store_rps_map(segment.dev, 0, '2');
    poller.poll(...mixed(1, 60));
    segment.wait(0.1);
    const lost = 60 - got.length;
    expect(lost).toBeGreaterThan(0);
    expect(segment.drops).toEqual(new Array(lost).fill('CPU_BACKLOG'));
    expect(segment.kernel.softnet[1]?.dropped).toBe(lost);
    expect(segment.dev.stats.rx_dropped).toBe(lost);
    finish();
  });

  it('a flow that fills half of the backlog, cut off before the others', () => {
    const { segment, finish } = setUp();
    const { kernel } = segment;
    segment.net.sysctl.netdev_max_backlog = 400;
    segment.net.sysctl.flow_limit_cpu_bitmap = 1;
    kernel.exec(() => {
      for (let i = 0; i < 390; i++) enqueue_to_backlog(frameSkb(segment, tcpFrame({ sport: 1, seq: i })), 1);
      for (let i = 0; i < 5; i++) enqueue_to_backlog(frameSkb(segment, tcpFrame({ sport: 50 + i })), 1);
    });
    const sd = kernel.softnet[0] as softnet_data;
    expect(sd.flow_limit?.count).toBe(segment.drops.length);
    expect(segment.drops.length).toBeGreaterThan(100);
    expect(kernel.softnet[1]?.input_pkt_queue.qlen).toBe(395 - segment.drops.length);
    segment.settle();
    finish();
  });

  it('the device goes while packets wait for it elsewhere, dropped with a reason', () => {
    const { segment, finish } = setUp();
    segment.kernel.exec(() => enqueue_to_backlog(frameSkb(segment, tcpFrame()), 1));
    finish();
    expect(segment.drops).toEqual(['DEV_READY']);
  });
});

describe('RFS', () => {
  it('a connected socket’s flow, on the CPU where its program reads', () => {
    const { segment, poller, finish } = setUp({ costs: true });
    const { kernel, net, dev } = segment;
    expect(rps_sock_flow_sysctl(net, 1000)).toBe(0);
    expect(net.rps_sock_flow_table?.mask).toBe(1023);
    expect(store_rps_flow_cnt(dev, 0, 1000)).toBe(0);
    expect(store_rps_map(dev, 0, '1')).toBe(0);
    const cpus: number[] = [];
    const order: number[] = [];
    kernel.trace.udp_rcv = () => cpus.push(kernel.cpu.id);
    segment.host.spawn(
      'reader',
      function* (sys) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* sys.bind(fd, sys.sockaddr(0, 7000));
        yield* sys.connect(fd, sys.sockaddr(A, 5000));
        const buffer = sys.mmap(64);
        for (;;) {
          yield* sys.recv(fd, buffer, 64, 0);
          order.push(kernel.ram.u8[buffer] as number);
        }
      },
      2,
    );
    segment.wait(0.001);
    const rounds = 50;
    for (let i = 0; i < rounds; i++) {
      poller.poll(udpFrame({ payload: [i] }), udpFrame({ payload: [100 + i] }));
      segment.wait(0.0001);
    }
    segment.wait(0.1);
    expect(cpus.length).toBe(2 * rounds);
    expect(cpus[0]).toBe(0);
    expect(cpus.slice(-80).every(cpu => cpu === 2)).toBe(true);
    expect(order).toEqual(Array.from({ length: 2 * rounds }, (_, i) => (i >> 1) + (i & 1) * 100));
    finish();
  });
});

describe('what /proc shows', () => {
  it('interrupts, softirqs, softnet_stat and dev, in Linux’s columns', () => {
    const { segment, poller, finish } = setUp({ cpus: 2 });
    const { kernel } = segment;
    const id = {};
    request_irq(
      kernel,
      11,
      () => {
        segment.host.intc.setLevel(11, false, kernel.clock.now);
        return IRQ_HANDLED;
      },
      0,
      'eth0',
      id,
    );
    expect(irq_set_affinity(kernel, 11, 1)).toBe(0);
    segment.host.intc.setLevel(11, true, kernel.clock.now);
    segment.settle();
    store_rps_map(segment.dev, 0, '2');
    poller.poll(tcpFrame({ payload: stream(0, 5) }), udpFrame());
    segment.wait(0.001);
    const interrupts = proc_interrupts(kernel).split('\n');
    expect(interrupts[0]).toBe('           CPU0       CPU1       ');
    expect(interrupts[1]).toBe(' 11:          0          1  IO-APIC  11-fasteoi   eth0');
    expect(interrupts).toContain('CAL:          0          1   Function call interrupts');
    expect(proc_irq_smp_affinity(kernel, 11)).toBe('2\n');
    const softirqs = proc_softirqs(kernel).split('\n');
    expect(softirqs[0]).toBe('                    CPU0       CPU1       ');
    expect(softirqs[4]).toMatch(/^ {6}NET_RX: +[1-9]\d* +1$/);
    expect(proc_net_softnet_stat(kernel).split('\n').slice(0, 2)).toEqual([
      `${'00000000 '.repeat(14)}00000000`,
      `00000002 ${'00000000 '.repeat(8)}00000001 00000000 00000000 00000001 00000000 00000000`,
    ]);
    segment.dev.stats.rx_packets = 2;
    expect(proc_net_dev(segment.net).split('\n')[3]).toBe(
      '  eth0:       0       2    0    0    0     0          0         0        1       1    0    0    0     0       0          0'.replace(
        '        1       1    0',
        `${String(segment.dev.stats.tx_bytes).padStart(9)} ${String(segment.dev.stats.tx_packets).padStart(7)}    0`,
      ),
    );
    kernel.irqs[11]?.actions.splice(0);
    finish();
  });
});
