/** Scenes of hosts: the driver, interrupts, polls, the receive core, and the way out. */
import { NIC } from '../../../device/regs/nic.ts';
import { TX_RING_SIZE } from '../../../driver/ringside/ringside.ts';
import { hook } from '../../../harness/trace/slots.ts';
import { IRQ_NONE, request_irq } from '../../../kernel/irq/manage.ts';
import { register_vlan_device } from '../../../kernel/net/8021q/vlan_dev.ts';
import { br_add_bridge, br_add_if } from '../../../kernel/net/bridge/br_if.ts';
import type { softnet_data } from '../../../kernel/net/core/dev.ts';
import {
  dev_close,
  dev_open,
  dev_queue_xmit,
  dev_set_mtu,
  napi_complete_done,
  napi_disable,
  napi_enable,
  napi_schedule,
  netif_carrier_off,
  netif_napi_add,
  netif_napi_del,
  netif_rx,
  netif_stop_queue,
  netif_wake_queue,
} from '../../../kernel/net/core/dev.ts';
import { napi_gro_receive, netdev_set_gro } from '../../../kernel/net/core/gro.ts';
import { tc_filter_add, tc_qdisc_add_ingress, tcf_proto } from '../../../kernel/net/core/ingress.ts';
import { NUD_PERMANENT, neigh_add } from '../../../kernel/net/core/neighbour.ts';
import type { net_device, netdev_queue } from '../../../kernel/net/core/netdevice.ts';
import { flush_backlog, store_rps_map } from '../../../kernel/net/core/rps.ts';
import {
  alloc_skb,
  consume_skb,
  netdev_alloc_skb_ip_align,
  type sk_buff,
  skb_clone,
  skb_put,
  skb_reserve,
} from '../../../kernel/net/core/skbuff.ts';
import { eth_type_trans } from '../../../kernel/net/ethernet/eth.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { AF_PACKET, SOCK_RAW, sockopt } from '../../../kernel/net/msg.ts';
import { PACKET_FANOUT, SOL_PACKET } from '../../../kernel/net/packet/af_packet.ts';
import { bench } from '../../kernel/host.ts';
import { stream, tagged, tcpFrame, udpFrame } from '../../kernel/net/rx.ts';
import { QueueBench } from '../../kernel/net/sched/queue.ts';
import { A, B, Segment } from '../../kernel/net/segment.ts';
import { type Machine, machine, type Scene, type Shown, scene, watch } from './scenes.ts';

const UNKNOWN_TYPE = Uint8Array.from([...udpFrame().subarray(0, 12), 0x88, 0xb5, ...new Array<number>(46).fill(0)]);
const MINE = udpFrame({ dport: 7 }, { dst: B });
const LARGE = udpFrame({ dport: 7, payload: new Array<number>(900).fill(1) }, { dst: B });

/** Answers what comes to port 7. */
function echo(m: Machine): void {
  m.host.spawn('echo', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 7));
    const buffer = sys.mmap(2048);
    const from = sys.sockaddr(0, 0);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buffer, 2048, 0, from);
      yield* sys.sendto(fd, buffer, n, 0, sys.sockaddr(A, 5000));
    }
  });
  m.run(1000);
}

/** One frame to a machine that `setUp` has changed. */
const given = (
  name: string,
  shows: readonly Shown[],
  frame: Uint8Array,
  setUp: (m: Machine) => void,
  options: Parameters<typeof machine>[0] = {},
): Scene =>
  scene(name, shows, () => {
    const m = machine({ cpus: 2, ...options });
    m.host.exec(() => setUp(m));
    m.send(frame);
    m.run(20_000_000);
    return m.end();
  });

function bridged(m: Machine): net_device {
  const br = br_add_bridge(m.host.kernel, 'br0') as net_device;
  br_add_if(br, m.dev);
  dev_open(br);
  return br;
}

/** A frame with its source address changed. */
function from(frame: Uint8Array, source: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy.set(source, 6);
  return copy;
}

function to(frame: Uint8Array, destination: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy.set(destination);
  return copy;
}

function plainSkb(m: { kernel: Machine['host']['kernel'] }, dev: net_device, headroom = 64): sk_buff {
  const skb = alloc_skb(m.kernel, 200) as sk_buff;
  skb_reserve(skb, headroom);
  skb.ram.u8.fill(0, skb_put(skb, 60), skb.tail);
  skb.dev = dev;
  return skb;
}

/** From the moment a tracepoint is passed, no sk_buff can be had. */
function starve(m: { kernel: Machine['host']['kernel'] }): void {
  const { kernel } = m;
  hook(kernel.trace, 'validate_xmit_skb', () => {
    kernel.skbs.fail_alloc = () => true;
  });
}

const feed = (m: { kernel: Machine['host']['kernel'] }): void => {
  m.kernel.skbs.fail_alloc = null;
};

const RECEIVE: readonly Scene[] = [
  scene(
    'boot, echoes small and large, shutdown',
    [
      'pci_device_probe',
      'request_irq',
      'netif_napi_add',
      'register_netdev',
      'dma_alloc_coherent',
      'dev_open',
      'dev_close',
      'netif_carrier_on',
      'wire',
      'frame_arrived',
      'rx_filter',
      'rx_stored',
      'rx_dma',
      'rx_done',
      'irq',
      'irq_handler_entry',
      'irq_handler_exit',
      'napi_schedule',
      'raise_softirq',
      'net_rx_action',
      'softirq_entry',
      'softirq_exit',
      'timer_expire',
      'dma_sync_single_for_cpu',
      'dma_unmap_single',
      'skb_put_data',
      'napi_poll',
      'napi_complete_done',
      'napi_gro_receive',
      'netif_receive_skb',
      'ip_rcv',
      'ip_rcv_finish',
      'ip_local_deliver',
      'udp_rcv',
      'sock_queue_rcv_skb',
      'sk_data_ready',
      'try_to_wake_up',
      'skb_copy_datagram_msg',
      'syscall',
      'udp_sendmsg',
      'ip_local_out',
      'ip_output',
      'ip_finish_output2',
      'neigh_event_send',
      'neigh_event_send NEIGH_FAILED',
      'arp_send',
      'neigh_update',
      'dev_queue_xmit',
      'validate_xmit_skb',
      'dev_hard_start_xmit',
      'dma_map_single',
      'ndo_start_xmit',
      'tx_gather',
      'tx_start',
      'tx_done',
      'consume_skb',
    ],
    () => {
      const m = machine();
      echo(m);
      m.send(MINE);
      m.run(1_000_000);
      m.send(LARGE);
      m.run(10e9);
      m.host.exec(() => dev_close(m.dev));
      return m.end();
    },
  ),
  scene('an NE2000', ['remote_read', 'remote_write', 'netif_rx'], () => {
    const m = machine({ model: 'ne2000', rate: 1e7 });
    m.send(udpFrame({ dport: 9 }, { dst: B }));
    m.run(1e9);
    const shown = m.end();
    const way = m.events.filter(({ packet }) => packet === 1).map(({ stage }) => stage);
    if (way.join().indexOf('remote_read,netif_rx') < 0)
      throw new Error(`the packet was lost on its way: ${way.join()}`);
    return shown;
  }),
  given('nobody for its port', ['icmp_send', 'udp_rcv NO_SOCKET'], udpFrame({ dport: 9 }, { dst: B }), () => {}),
  scene('more frames at one instant than the wire holds', ['wire wire_full'], () => {
    const m = machine();
    const frame = new Uint8Array(1514).fill(0xff, 0, 6);
    const link = m.world.cables[0]?.link;
    for (let i = 0; i < 600; i++) link?.end(1).transmit(frame, 0, frame.length, -1, 0);
    m.world.cables[0]?.refresh();
    m.run(1e9);
    return m.end();
  }),
  given('for another station', ['rx_filter filtered'], to(MINE, [2, 0, 0, 0, 0, 0x99]), () => {}),
  scene('no memory for a small frame', ['napi_poll NOMEM'], () => {
    const m = machine();
    m.host.kernel.skbs.fail_alloc = () => true;
    m.send(MINE);
    m.run(1_000_000);
    feed(m.host);
    return m.end();
  }),
  scene('a line that is nobody’s', ['note_interrupt'], () => {
    const b = bench();
    const { shown } = watch(b.world);
    request_irq(b.kernel, 4, () => IRQ_NONE, 0, 'deaf', 1);
    b.at(10, () => b.host.intc.setLevel(4, true, 10));
    b.world.sim.settle(1e6);
    return shown();
  }),
  scene('six devices that never have enough', ['time_squeeze', 'wakeup_softirqd'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    let left = 20_000;
    const napis = Array.from({ length: 6 }, () => {
      const napi = netif_napi_add(segment.dev, (_self, budget) => {
        left = Math.max(left - budget, 0);
        if (left > 0) return budget;
        napi_complete_done(_self, 0);
        return 0;
      });
      napi_enable(napi);
      return napi;
    });
    segment.exec(() => {
      for (const napi of napis) napi_schedule(napi);
    });
    segment.world.sim.run(segment.world.sim.time + 1e9);
    return shown();
  }),
  scene('segments of one flow, GRO on', ['skb_gro_receive', 'napi_gro_complete'], () => {
    const m = machine();
    m.dev.gro_flush_timeout = 100_000;
    for (let n = 0; n < 4; n++) m.send(tcpFrame({ seq: n * 300, payload: stream(0, 300) }, { dst: B, id: n }));
    m.run(10_000_000);
    return m.end();
  }),
  scene('segments of one flow, GRO switched off', ['netif_receive_skb'], () => {
    const m = machine();
    m.dev.gro_flush_timeout = 100_000;
    m.host.exec(() => netdev_set_gro(m.dev, false));
    for (let n = 0; n < 4; n++) m.send(tcpFrame({ seq: n * 300, payload: stream(0, 300) }, { dst: B, id: n }));
    m.run(10_000_000);
    const up = m.events.filter(({ stage }) => stage === 'netif_receive_skb').length;
    if (up !== 4) throw new Error(`${up} packets came up instead of 4`);
    return m.end();
  }),
  scene('a poll’s context removed while GRO holds a packet', ['napi_gro_receive QUEUE_PURGE'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    const { dev } = segment;
    dev.gro_flush_timeout = 1e9;
    const napi = netif_napi_add(dev, self => {
      const frame = tcpFrame({ payload: stream(0, 300) }, { dst: B });
      const skb = netdev_alloc_skb_ip_align(dev, frame.length) as sk_buff;
      skb.ram.u8.set(frame, skb_put(skb, frame.length));
      skb.protocol = eth_type_trans(skb, dev);
      napi_gro_receive(self, skb);
      napi_complete_done(self, 1);
      return 1;
    });
    napi_enable(napi);
    segment.exec(() => napi_schedule(napi));
    segment.exec(() => {
      napi_disable(napi);
      netif_napi_del(napi);
    });
    return shown();
  }),
  given(
    'RPS to another CPU',
    ['enqueue_to_backlog', 'net_rps_send_ipi', 'rps_trigger_softirq', 'process_backlog'],
    MINE,
    // Whichever queue it comes by: to the other CPU.
    m => m.dev._rx.forEach((_, queue) => void store_rps_map(m.dev, queue, queue % 2 === 0 ? '2' : '1')),
  ),
  given('a full backlog', ['enqueue_to_backlog CPU_BACKLOG'], MINE, m => {
    m.dev._rx.forEach((_, queue) => void store_rps_map(m.dev, queue, '2'));
    m.host.kernel.init_net.sysctl.netdev_max_backlog = -1;
  }),
  scene('one flow in half of the backlog', ['enqueue_to_backlog CPU_BACKLOG'], () => {
    const segment = new Segment({ cpus: 2 });
    const { shown } = watch(segment.world);
    const { sysctl } = segment.net;
    sysctl.netdev_max_backlog = 400;
    sysctl.flow_limit_cpu_bitmap = 1;
    store_rps_map(segment.dev, 0, '2');
    const frame = udpFrame({}, { dst: B });
    segment.exec(() => {
      for (let i = 0; i < 390; i++) {
        const skb = netdev_alloc_skb_ip_align(segment.dev, frame.length) as sk_buff;
        skb.ram.u8.set(frame, skb_put(skb, frame.length));
        skb.protocol = eth_type_trans(skb, segment.dev);
        netif_rx(skb);
      }
    });
    if ((segment.kernel.softnet[0] as softnet_data).flow_limit?.count === 0) throw new Error('no flow was limited');
    return shown();
  }),
  scene('a device that is down', ['enqueue_to_backlog DEV_READY'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    segment.exec(() => {
      dev_close(segment.dev);
      netif_rx(plainSkb(segment, segment.dev));
    });
    return shown();
  }),
  scene('a device that goes while its packets wait', ['process_backlog DEV_READY'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    segment.exec(() => {
      netif_rx(plainSkb(segment, segment.dev));
      flush_backlog(segment.kernel.softnet[0] as softnet_data, segment.dev);
    });
    return shown();
  }),
  given('an EtherType that nobody serves', ['netif_receive_skb UNHANDLED_PROTO'], UNKNOWN_TYPE, () => {}),
  given('a VLAN that nobody here is in', ['ip_rcv OTHERHOST'], tagged(MINE, 6), () => {}),
  scene('a tagged frame whose bytes are shared, and no memory', ['netif_receive_skb NOMEM'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    let clone: sk_buff | null = null;
    segment.receive(tagged(MINE, 5), segment.dev, skb => {
      clone = skb_clone(skb);
      segment.kernel.skbs.fail_alloc = () => true;
    });
    feed(segment);
    if (clone !== null) consume_skb(clone);
    return shown();
  }),
  scene(
    'a tap of a fanout group',
    ['packet_rcv', 'packet_rcv_fanout', 'skb_clone', 'sock_queue_rcv_skb QUEUE_PURGE'],
    () => {
      const m = machine();
      tap(m, true);
      m.run(1_000_000);
      m.send(MINE);
      m.run(1e9);
      return m.end();
    },
  ),
  scene('a tap that is full', ['packet_rcv PACKET_SOCK_ERROR'], () => {
    const m = machine();
    tap(m, false, 1);
    m.run(1_000_000);
    for (let i = 0; i < 20; i++) {
      m.send(LARGE);
      m.run(20_000);
    }
    return m.end();
  }),
  given('an ingress filter that drops', ['sch_handle_ingress', 'sch_handle_ingress TC_INGRESS'], MINE, m => {
    tc_qdisc_add_ingress(m.dev);
    tc_filter_add(m.dev, new tcf_proto(1, 0, null, [{ kind: 'drop' }]));
  }),
  given('an ingress filter that redirects to a device that is down', ['sch_handle_ingress DEV_READY'], MINE, m => {
    const vlan = register_vlan_device(m.dev, 9) as net_device;
    tc_qdisc_add_ingress(m.dev);
    const action = { kind: 'mirred', dev: vlan, redirect: true, ingress: false } as const;
    tc_filter_add(m.dev, new tcf_proto(1, 0, null, [action]));
  }),
  given('a VLAN device that is down', ['vlan_do_receive DEV_READY'], tagged(MINE, 5), m => {
    register_vlan_device(m.dev, 5);
  }),
  given('a VLAN device', ['vlan_do_receive'], tagged(MINE, 5), m => {
    dev_open(register_vlan_device(m.dev, 5) as net_device);
  }),
  scene('a tag that is cut off', ['netif_receive_skb PKT_TOO_SMALL'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    segment.receive(tagged(udpFrame(), 5).subarray(0, 16));
    return shown();
  }),
  given('a bridge', ['br_handle_frame', 'br_fdb_update', 'br_pass_frame_up'], MINE, m => {
    inet_addr_add(bridged(m), B + 1, 24);
  }),
  given(
    'a bridge, from a group address',
    ['br_handle_frame MAC_INVALID_SOURCE'],
    from(MINE, [1, 2, 3, 4, 5, 6]),
    bridged,
  ),
  given(
    'a bridge, to an address of the standards',
    ['br_handle_frame MAC_IEEE_MAC_CONTROL'],
    to(MINE, [1, 0x80, 0xc2, 0, 0, 1]),
    bridged,
  ),
  given('a port of a bridge that is down', ['br_handle_frame BRIDGE_INGRESS_STP_STATE'], MINE, m => {
    br_add_if(br_add_bridge(m.host.kernel, 'br0') as net_device, m.dev);
  }),
  given(
    'a bridge with one port, for somebody else',
    ['br_forward NO_TX_TARGET'],
    to(MINE, [2, 0, 0, 0, 0, 0x77]),
    bridged,
  ),
  scene('a bridge with a second port, and one with a smaller MTU', ['br_forward', 'br_forward PKT_TOO_BIG'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    const second = segment.device('eth%d', '020000000003');
    segment.exec(() => {
      const br = br_add_bridge(segment.kernel, 'br0') as net_device;
      br_add_if(br, segment.dev);
      br_add_if(br, second);
      dev_open(br);
    });
    segment.world.sim.run(segment.world.sim.time + 60e9);
    const frame = to(LARGE, [2, 0, 0, 0, 0, 0x77]);
    segment.receive(frame);
    segment.exec(() => dev_set_mtu(second, 600));
    segment.receive(frame);
    return shown();
  }),
];

function tap(m: Machine, fanout = false, rcvbuf = 0): void {
  m.host.spawn('tap', function* (sys) {
    const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, 3);
    const opt = new sockopt();
    opt.value = 1;
    if (fanout) yield* sys.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, opt);
    opt.value = rcvbuf;
    if (rcvbuf > 0) yield* sys.setsockopt(fd, 1, 8, opt);
    // Never read: the queue fills up.
    yield* sys.nanosleep(1e8);
    return 0;
  });
  m.run(1000);
}

/** A queue that the test holds shut. */
const queued = (name: string, shows: readonly Shown[], act: (b: QueueBench) => void, rate?: number): Scene =>
  scene(name, shows, () => {
    const b = new QueueBench(rate === undefined ? {} : { rate, ring: 2 });
    const { shown } = watch(b.world);
    act(b);
    const result = shown();
    b.finish();
    return result;
  });

const TRANSMIT: readonly Scene[] = [
  queued(
    'a stopped queue, opened again',
    ['qdisc_enqueue', 'qdisc_dequeue', 'netif_tx_wake_queue', 'net_tx_action'],
    b => {
      b.exec(() => netif_stop_queue(b.dev));
      b.burst(3);
      b.exec(() => netif_wake_queue(b.dev));
    },
  ),
  queued('a driver that is busy', ['qdisc_requeue'], b => {
    // Free again before NET_TX_SOFTIRQ tries: without costs it would try forever at one instant.
    hook(b.kernel.trace, 'qdisc_requeue', () => {
      b.busy = false;
    });
    b.busy = true;
    b.burst(1);
  }),
  queued('a full pfifo_fast', ['qdisc_enqueue QDISC_DROP'], b => {
    b.dev.tx_queue_len = 2;
    b.tc('qdisc replace dev eth0 root pfifo limit 2');
    b.exec(() => netif_stop_queue(b.dev));
    b.burst(9);
    b.exec(() => netif_wake_queue(b.dev));
  }),
  queued('no carrier', ['netif_carrier_off', 'qdisc_enqueue QDISC_DROP'], b => {
    b.exec(() => netif_carrier_off(b.dev));
    b.burst(1);
  }),
  queued('a fq_codel with too many packets', ['qdisc_enqueue QDISC_OVERLIMIT'], b => {
    b.tc('qdisc add dev eth0 root fq_codel limit 10 drop_batch 4');
    b.exec(() => netif_stop_queue(b.dev));
    b.burst(40);
    b.exec(() => netif_wake_queue(b.dev));
  }),
  queued('a fq with too many packets', ['qdisc_enqueue FQ_BAND_LIMIT'], b => {
    b.tc('qdisc add dev eth0 root fq limit 4');
    b.exec(() => netif_stop_queue(b.dev));
    for (let i = 0; i < 20; i++) b.send(100, i);
    b.exec(() => netif_wake_queue(b.dev));
  }),
  queued('a fq with too many packets of one flow', ['qdisc_enqueue FQ_FLOW_LIMIT'], b => {
    b.tc('qdisc add dev eth0 root fq flow_limit 4');
    b.exec(() => netif_stop_queue(b.dev));
    b.burst(20);
    b.exec(() => netif_wake_queue(b.dev));
  }),
  queued('a fq with a packet for the far future', ['qdisc_enqueue FQ_HORIZON_LIMIT'], b => {
    b.tc('qdisc add dev eth0 root fq');
    b.send(100, 1, skb => {
      skb.tstamp = b.kernel.clock.now + 11e9;
    });
  }),
  queued(
    'a fq_codel with packets that wait too long',
    ['qdisc_enqueue QDISC_CONGESTED'],
    b => {
      b.tc('qdisc add dev eth0 root fq_codel');
      b.burst(200, 1250);
      b.run(10e9);
    },
    1e6,
  ),
  queued('a queue with packets, the device closed', ['qdisc_enqueue QUEUE_PURGE'], b => {
    b.exec(() => netif_stop_queue(b.dev));
    b.burst(3);
    b.exec(() => dev_close(b.dev));
  }),
  scene('a device without a queue that is stopped', ['dev_queue_xmit DEV_READY'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    segment.exec(() => {
      const vlan = register_vlan_device(segment.dev, 5) as net_device;
      dev_open(vlan);
      netif_stop_queue(vlan);
      dev_queue_xmit(plainSkb(segment, vlan));
    });
    return shown();
  }),
  scene('a tag to put in, and no memory', ['validate_xmit_skb NOMEM'], () => {
    const segment = new Segment();
    const { shown } = watch(segment.world);
    starve(segment);
    segment.exec(() => {
      const skb = plainSkb(segment, segment.dev, 0);
      skb.vlan_present = 1;
      skb.vlan_tci = 5;
      dev_queue_xmit(skb);
    });
    feed(segment);
    return shown();
  }),
  scene('software GSO', ['skb_gso_segment'], () => {
    const m = machine();
    gso(m);
    m.run(3e9);
    return m.end();
  }),
  scene('software GSO without memory', ['validate_xmit_skb SKB_GSO_SEG'], () => {
    const m = machine();
    m.host.kernel.trace.validate_xmit_skb = skb => {
      if (skb.gso_size !== 0) m.host.kernel.skbs.fail_alloc = () => true;
    };
    gso(m);
    m.run(3e9);
    feed(m.host);
    return m.end();
  }),
  scene(
    'more frames than the ring holds',
    ['netif_tx_stop_queue', 'netif_tx_wake_queue', 'dev_close DEV_READY'],
    () => {
      const m = machine({ rate: 1e7 });
      // BQL lets all of them through to the ring.
      (m.dev._tx[0] as netdev_queue).dql.min_limit = 1e6;
      (m.dev._tx[0] as netdev_queue).dql.reset();
      const send = (count: number): void =>
        m.host.exec(() => {
          for (let i = 0; i < count; i++) dev_queue_xmit(plainSkb(m.host, m.dev));
        });
      send(TX_RING_SIZE + 50);
      m.run(1e9);
      send(50);
      m.host.exec(() => dev_close(m.dev));
      return m.end();
    },
  ),
  scene('no I/O address left', ['ndo_start_xmit NOMEM'], () => {
    const m = machine();
    const { iommu } = m.card.slot;
    const taken: number[] = [];
    for (let iova = iommu.map(4096, 1, 1, false); iova !== 0; iova = iommu.map(4096, 1, 1, false)) taken.push(iova);
    m.host.exec(() => dev_queue_xmit(plainSkb(m.host, m.dev)));
    for (const iova of taken) iommu.unmap(iova, 1, 1, false);
    return m.end();
  }),
  scene('a transmitter that hangs', ['dev_watchdog'], () => {
    const m = machine({ rate: 300 });
    m.host.exec(() => {
      for (let i = 0; i < TX_RING_SIZE + 20; i++) dev_queue_xmit(plainSkb(m.host, m.dev));
    });
    // The transmitter off: what it has got stays.
    m.card.nic.write(0, NIC.CTRL.offset, 32, 0);
    m.run(60e9);
    return m.end();
  }),
];

/** One send of 3000 bytes, in datagrams of 1000; then one that waits for a neighbour no more. */
function gso(m: Machine): void {
  const peer = Uint8Array.of(2, 0, 0, 0, 0, 1);
  m.host.exec(() => neigh_add(m.host.kernel.init_net.ipv4.arp, A, m.dev, peer, NUD_PERMANENT));
  m.host.spawn('send', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    const opt = new sockopt();
    opt.value = 1000;
    yield* sys.setsockopt(fd, 17, 103, opt);
    const buffer = sys.mmap(8192);
    yield* sys.sendto(fd, buffer, 3000, 0, sys.sockaddr(A, 9));
    return 0;
  });
}

export const HOST_SCENES: readonly Scene[] = [...RECEIVE, ...TRANSMIT];
