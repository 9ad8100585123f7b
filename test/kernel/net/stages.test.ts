/** Each stage between the wire and the network layer names itself in a trace, in order, and ends a packet with a reason. */
import { describe, expect, it } from 'vitest';
import { FCS_GOOD } from '../../../device/ports.ts';
import { World } from '../../../harness/machine/world.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import type { TraceEvent } from '../../../harness/trace/event.ts';
import { Tracer } from '../../../harness/trace/tracer.ts';
import { register_vlan_device } from '../../../kernel/net/8021q/vlan_dev.ts';
import { br_add_bridge, br_add_if } from '../../../kernel/net/bridge/br_if.ts';
import { dev_open } from '../../../kernel/net/core/dev.ts';
import { tc_filter_add, tc_qdisc_add_ingress, tcf_proto } from '../../../kernel/net/core/ingress.ts';
import type { net_device } from '../../../kernel/net/core/netdevice.ts';
import { store_rps_map } from '../../../kernel/net/core/rps.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { AF_PACKET, SOCK_RAW, sockopt } from '../../../kernel/net/msg.ts';
import { PACKET_FANOUT, SOL_PACKET } from '../../../kernel/net/packet/af_packet.ts';
import { stream, tagged, tcpFrame, udpFrame } from './rx.ts';
import { B } from './segment.ts';

/** A host with two CPUs and a card, traced. `frames` arrive back to back. */
function run(frames: Uint8Array[], setUp: (host: ReturnType<World['addHost']>, dev: net_device) => void): TraceEvent[] {
  const world = new World();
  const host = world.addHost({ name: 'us', cpus: 2, nics: [{ mac: parseMac('02:00:00:00:00:02'), memory: 16384 }] });
  const { source, cable } = world.connectSource(host.cards[0] as (typeof host.cards)[0]);
  const dev = host.up('eth0', B, 24);
  host.exec(() => setUp(host, dev));
  world.sim.run(1_000_000);
  const events: TraceEvent[] = [];
  const tracer = new Tracer(world, event => events.push(event));
  for (const frame of frames) source.send(frame, 0, frame.length, FCS_GOOD, tracer.newPacket(), world.sim.time);
  cable.refresh();
  world.sim.run(world.sim.time + 10_000_000);
  tracer.detach();
  expect(world.finish()).toEqual([]);
  return events;
}

const stagesOf = (events: readonly TraceEvent[], packet: number): string[] =>
  events.filter(event => event.packet === packet).map(({ stage }) => stage);
const dropsOf = (events: readonly TraceEvent[]): string[] =>
  events.filter(({ drop }) => drop !== '').map(({ stage, drop }) => `${stage} ${drop}`);

const CARD = ['wire', 'frame_arrived', 'rx_filter', 'rx_stored', 'rx_dma', 'rx_done', 'dma_sync_single_for_cpu'];

describe('a packet that passes everything', () => {
  it('ingress filter, VLAN and RPS: every stage by its Linux name, in order', () => {
    const events = run([tagged(udpFrame({ dport: 9 }, { dst: B }), 5)], (_host, dev) => {
      const vlan = register_vlan_device(dev, 5) as net_device;
      dev_open(vlan);
      tc_qdisc_add_ingress(dev);
      store_rps_map(dev, 0, '2');
    });
    expect(stagesOf(events, 1)).toEqual([
      ...CARD,
      'skb_put_data',
      'napi_gro_receive',
      'enqueue_to_backlog',
      'process_backlog',
      'netif_receive_skb',
      'sch_handle_ingress',
      'vlan_do_receive',
      'ip_rcv',
      'ip_rcv_finish',
      'ip_local_deliver',
      'udp_rcv',
      'icmp_send',
      'kfree_skb_reason',
    ]);
    const around = events.filter(({ packet }) => packet === 0).map(({ stage, cpu }) => `${stage} ${cpu}`);
    expect(around).toEqual(expect.arrayContaining(['net_rps_send_ipi 0', 'rps_trigger_softirq 1', 'net_rx_action 1']));
    expect(events.find(({ stage }) => stage === 'netif_receive_skb')?.cpu).toBe(1);
  });

  it('a bridge: learned, passed up to the network layer', () => {
    const events = run([udpFrame({ dport: 9 }, { dst: B })], (host, dev) => {
      const br = br_add_bridge(host.kernel, 'br0') as net_device;
      br_add_if(br, dev);
      dev_open(br);
      inet_addr_add(br, B + 1, 24);
    });
    expect(stagesOf(events, 1)).toEqual([
      ...CARD,
      'skb_put_data',
      'napi_gro_receive',
      'netif_receive_skb',
      'br_handle_frame',
      'br_fdb_update',
      'br_pass_frame_up',
      'netif_receive_skb',
      'ip_rcv',
      'ip_rcv_finish',
      'ip_local_deliver',
      'udp_rcv',
      'icmp_send',
      'kfree_skb_reason',
    ]);
  });

  it('GRO: what was merged becomes a child of the packet that stands for all', () => {
    const frames = [0, 1, 2, 3].map(n => tcpFrame({ seq: n * 300, payload: stream(0, 300) }, { dst: B, id: n }));
    // Held beyond the polls, since each frame has an interrupt of its own here.
    const events = run(frames, (_host, dev) => {
      dev.gro_flush_timeout = 100_000;
    });
    expect(stagesOf(events, 1).slice(-9)).toEqual([
      'napi_gro_receive',
      'napi_gro_complete',
      'netif_receive_skb',
      'ip_rcv',
      'ip_rcv_finish',
      'ip_local_deliver',
      'tcp_v4_rcv',
      'tcp_send_reset',
      'kfree_skb_reason',
    ]);
    for (const packet of [2, 3, 4]) {
      expect(stagesOf(events, packet).slice(-3)).toEqual(['napi_gro_receive', 'skb_gro_receive', 'kfree_skb_reason']);
    }
    expect(
      events.filter(({ stage }) => stage === 'skb_gro_receive').map(({ packet, parent }) => [packet, parent]),
    ).toEqual([
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
  });

  it('a fanout group: its member’s tap', () => {
    const events = run([udpFrame({ dport: 9 }, { dst: B })], host => {
      host.spawn('tap', function* (sys) {
        const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, 3);
        const opt = new sockopt();
        opt.value = 1;
        yield* sys.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, opt);
        const buffer = sys.mmap(2048);
        for (;;) yield* sys.recv(fd, buffer, 2048, 0);
      });
    });
    const stages = stagesOf(events, 1);
    expect(stages.indexOf('packet_rcv_fanout')).toBe(stages.indexOf('netif_receive_skb') + 1);
    expect(stages.indexOf('packet_rcv')).toBe(stages.indexOf('packet_rcv_fanout') + 1);
  });
});

describe('a packet that ends', () => {
  it.each<[string, Uint8Array, (dev: net_device, host: ReturnType<World['addHost']>) => void, string]>([
    [
      'in the ingress filter',
      udpFrame({}, { dst: B }),
      dev => {
        tc_qdisc_add_ingress(dev);
        tc_filter_add(dev, new tcf_proto(1, 0, null, [{ kind: 'drop' }]));
      },
      'TC_INGRESS',
    ],
    [
      'at a VLAN device that is down',
      tagged(udpFrame({}, { dst: B }), 5),
      dev => void register_vlan_device(dev, 5),
      'DEV_READY',
    ],
    ['in a VLAN nobody here is in', tagged(udpFrame({}, { dst: B }), 6), () => {}, 'OTHERHOST'],
    [
      'in a bridge with one port',
      udpFrame({}, { to: '020000000077' }),
      (dev, host) => {
        const br = br_add_bridge(host.kernel, 'br0') as net_device;
        br_add_if(br, dev);
        dev_open(br);
      },
      'NO_TX_TARGET',
    ],
    [
      'at a port that is disabled',
      udpFrame({}, { dst: B }),
      (dev, host) => void br_add_if(br_add_bridge(host.kernel, 'br0') as net_device, dev),
      'BRIDGE_INGRESS_STP_STATE',
    ],
    [
      'with nobody for its type',
      Uint8Array.from([...udpFrame().subarray(0, 12), 0x88, 0xb5, ...new Array<number>(46).fill(0)]),
      () => {},
      'UNHANDLED_PROTO',
    ],
    [
      'on a full backlog',
      udpFrame({}, { dst: B }),
      (dev, host) => {
        for (const queue of dev._rx.keys()) store_rps_map(dev, queue, '2');
        host.kernel.init_net.sysctl.netdev_max_backlog = -1;
      },
      'CPU_BACKLOG',
    ],
  ])('%s, with its reason in the trace', (_where, frame, setUp, reason) => {
    expect(dropsOf(run([frame], (host, dev) => setUp(dev, host)))).toEqual([`kfree_skb_reason ${reason}`]);
  });
});
