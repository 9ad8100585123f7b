/**
 * Steering: many flows arrive at one card, and several CPUs could work on them. RSS lets the card choose a queue, and so a
 * CPU, by each flow's hash; RPS lets the CPU of the only queue hand packets to the others; RFS hands them to the CPU whose
 * program reads the flow. What does each bring, and what does it cost?
 */
import { ringside_driver } from '../../driver/ringside/main.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { rps_sock_flow_sysctl, store_rps_flow_cnt, store_rps_map } from '../../kernel/net/core/rps.ts';
import { ethtool_set_channels } from '../../kernel/net/ethtool/ethtool.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import type { Experiment } from './experiment.ts';
import { type CpuShares, cpuWatch, datagramFrame, Load, WIRE_RATE } from './load.ts';
import { plot } from './plot.ts';
import { percent, textTable } from './table.ts';

export type SteeringMode = 'none' | 'rss' | 'rps' | 'rfs';

export interface SteeringPoint {
  readonly mode: SteeringMode;
  readonly cpus: number;
  readonly flows: number;
  readonly offered_pps: number;
  /** What the programs' recvfrom got. */
  readonly received_pps: number;
  /** Of what was received, the share that each CPU's programs got. */
  readonly share: readonly number[];
  readonly ipis_per_packet: number;
  /** Time that all CPUs spent, per packet received, in ns. */
  readonly cpu_ns_per_packet: number;
  /** Packets that a program got after a later one of the same flow. */
  readonly reordered: number;
  readonly cpu: readonly CpuShares[];
}

export const steeringFlows: readonly number[] = [1, 2, 4, 16, 64];
export const steeringModes: readonly (readonly [mode: SteeringMode, cpus: number])[] = [
  ['none', 1],
  ['none', 4],
  ['rss', 2],
  ['rss', 4],
  ['rps', 2],
  ['rps', 4],
  ['rfs', 2],
  ['rfs', 4],
];

const MAC = '02:00:00:00:00:0a';
const IP = '10.1.0.1';
const PEER = '10.1.0.2';
const FIRST_PORT = 7000;
const FIRST_SOURCE = 20_000;
const FRAME = 64;
const PAYLOAD_AT = 42;
const WARM_UP_NS = 2_000_000;
const FLOW_ENTRIES = 4096;
/** More than one CPU can receive. */
const OFFERED = 3_000_000;

/** Flow `flow`, for a program of its own. */
const frameOf = (flow: number): Uint8Array =>
  datagramFrame({
    mac: MAC,
    sourceMac: '02:00:00:00:00:01',
    source: PEER,
    destination: IP,
    sourcePort: FIRST_SOURCE + flow,
    destinationPort: FIRST_PORT + flow,
    length: FRAME,
  });

function configure(host: Host, dev: net_device, mode: SteeringMode): void {
  const { kernel } = host;
  const all = ((1 << kernel.cpus.length) - 1).toString(16);
  const failed = host.exec(() => {
    if (mode === 'rss') return 0;
    const one = kernel.cpus.length === 1 ? 0 : ethtool_set_channels(dev, 1);
    if (one !== 0 || mode === 'none') return one;
    if (mode === 'rps') return store_rps_map(dev, 0, all);
    return rps_sock_flow_sysctl(kernel.init_net, FLOW_ENTRIES) || store_rps_flow_cnt(dev, 0, FLOW_ENTRIES);
  });
  if (failed !== 0) throw new Error(`steering by ${mode} cannot be set: ${failed}`);
}

/** A program for each flow, on the CPUs in turn, that counts what it gets, and what comes out of order. */
class Sinks {
  /** By CPU. */
  readonly received: number[];
  reordered = 0;

  constructor(host: Host, flows: number) {
    const cpus = host.kernel.cpus.length;
    this.received = new Array<number>(cpus).fill(0);
    for (let flow = 0; flow < flows; flow++) this.spawn(host, flow, flow % cpus);
  }

  private spawn(host: Host, flow: number, cpu: number): void {
    const sinks = this;
    const { dv } = host.kernel.ram;
    const peer = in_aton(PEER);
    host.spawn(
      `sink${flow}`,
      function* (sys) {
        const fd = yield* sys.socket(2, 2, 0);
        yield* sys.bind(fd, sys.sockaddr(0, FIRST_PORT + flow));
        // Only a connected socket remembers its flow's hash, which RFS needs (udp_queue_rcv_one_skb).
        yield* sys.connect(fd, sys.sockaddr(peer, FIRST_SOURCE + flow));
        const buffer = sys.mmap(2048);
        for (let last = -1; ; ) {
          yield* sys.recv(fd, buffer, 2048, 0);
          const n = dv.getUint32(buffer);
          if (n < last) sinks.reordered++;
          else last = n;
          sinks.received[cpu] = (sinks.received[cpu] as number) + 1;
        }
      },
      cpu,
    );
  }
}

const ipis = (kernel: Kernel): number => kernel.cpus.reduce((sum, { call_count }) => sum + call_count, 0);

/** `flows` flows in turn, at `pps`, for `ns` of simulated time. */
export function steeringPoint(
  mode: SteeringMode,
  cpus: number,
  flows: number,
  ns: number,
  seed: number,
  pps = OFFERED,
): SteeringPoint {
  const world = new World({ seed, checks: false });
  const host = world.addHost({
    name: 'host',
    cpus,
    costs: true,
    drivers: [ringside_driver],
    nics: [{ mac: parseMac(MAC), rate: WIRE_RATE, memory: 16384 }],
  });
  const { kernel } = host;
  const frames = Array.from({ length: flows }, (_, flow) => frameOf(flow));
  const load = new Load(world, world.connectSource((host.cards as [Plugged])[0]), frames);
  configure(host, host.up('eth0', in_aton(IP), 24), mode);
  // Each frame carries its number, and no checksum.
  load.before = (n, bytes) => {
    const view = new DataView(bytes.buffer);
    view.setUint16(PAYLOAD_AT - 2, 0);
    view.setUint32(PAYLOAD_AT, n);
  };
  const sinks = new Sinks(host, flows);
  load.run(pps, WARM_UP_NS);
  const before = [...sinks.received];
  const calls = ipis(kernel);
  const shares = cpuWatch(kernel);
  load.run(pps, ns);
  const received = sinks.received.map((count, cpu) => count - (before[cpu] as number));
  const total = received.reduce((a, b) => a + b, 0);
  const cpu = shares(ns);
  const busy = cpu.reduce((sum, { idle }) => sum + 1 - idle, 0) * ns;
  return {
    mode,
    cpus,
    flows,
    offered_pps: pps,
    received_pps: (total * 1e9) / ns,
    share: received.map(count => (total === 0 ? 0 : count / total)),
    ipis_per_packet: total === 0 ? 0 : (ipis(kernel) - calls) / total,
    cpu_ns_per_packet: total === 0 ? 0 : busy / total,
    reordered: sinks.reordered,
    cpu,
  };
}

function table(points: readonly SteeringPoint[]): string {
  const rows = points.map(point => [
    point.mode,
    String(point.cpus),
    String(point.flows),
    point.received_pps.toFixed(0),
    point.ipis_per_packet.toFixed(2),
    point.cpu_ns_per_packet.toFixed(0),
    String(point.reordered),
    point.cpu.map(({ idle }) => percent(1 - idle)).join(' '),
  ]);
  const head = ['mode', 'CPUs', 'flows', 'received/s', 'IPIs/packet', 'ns/packet', 'reordered', 'each CPU busy'];
  return [`${points[0]?.offered_pps ?? 0} packets/s offered`, ...textTable(head, rows, 1)].join('\n');
}

function figure(points: readonly SteeringPoint[]): string {
  const series = steeringModes
    .filter(([mode, cpus]) => cpus === 4 || mode === 'none')
    .filter(([mode, cpus]) => !(mode === 'none' && cpus === 1))
    .map(([mode, cpus]) => ({
      name: mode === 'none' ? 'one queue' : `${mode.toUpperCase()}, ${cpus} CPUs`,
      points: points
        .filter(point => point.mode === mode && point.cpus === cpus)
        .map(({ flows, received_pps }) => [flows, received_pps] as const),
    }));
  return plot(series, { title: 'Steering flows over CPUs', x: 'flows', y: 'received, packets/s', logX: true });
}

export const steering: Experiment<SteeringPoint> = {
  name: 'steering',
  summary: 'RSS, RPS and RFS spread 1 to 64 flows over 1, 2 and 4 CPUs: what that brings and costs',
  shape:
    'a list of {mode, cpus, flows, offered_pps, received_pps, share, ipis_per_packet, cpu_ns_per_packet, reordered, cpu}',
  plotted: 'packets received over flows, four CPUs',
  defaultMs: 6,
  help: `
${OFFERED} datagrams of 64 bytes a second arrive, their flows in turn, each for a program of its own, the programs
on the CPUs in turn. none: one queue, whose CPU does everything below the socket. rss: a queue and a vector for each CPU,
chosen by the card's Toeplitz hash. rps: one queue, whose CPU hands each packet to the CPU that its flow's hash says. rfs:
to the CPU whose program reads the flow.`,
  run({ ms, seed }, progress) {
    const points: SteeringPoint[] = [];
    for (const [mode, cpus] of steeringModes) {
      for (const flows of steeringFlows) {
        progress(`${mode} on ${cpus} CPUs, ${flows} flows`);
        points.push(steeringPoint(mode, cpus, flows, ms * 1e6, seed));
      }
    }
    return points;
  },
  table,
  figure,
};
