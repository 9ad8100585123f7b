/**
 * Interrupt moderation: the card holds an interrupt back for some µs, or for some frames. Fewer interrupts cost the CPU
 * less, and each packet waits longer: how long, from the last bit on the wire to the program that has it?
 */
import type { Nic } from '../../device/nic.ts';
import { ringside_driver } from '../../driver/ringside/main.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { ethtool_set_coalesce } from '../../kernel/net/ethtool/ethtool.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import type { Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import type { Experiment } from './experiment.ts';
import { type CpuShares, cpuWatch, datagramFrame, irqCount, Load, quantile, WIRE_RATE } from './load.ts';
import { plot } from './plot.ts';
import { percent, textTable } from './table.ts';

export interface ModerationPoint {
  /** `ethtool -C rx-usecs N rx-frames N`. */
  readonly rx_usecs: number;
  readonly rx_frames: number;
  readonly offered_pps: number;
  readonly received_pps: number;
  readonly interrupts_per_s: number;
  /** From the last bit on the wire to recvfrom's return, in ns. */
  readonly latency_ns: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly cpu: CpuShares;
}

/** Settings by the time they wait, then those with a count as well. */
export const moderationSettings: readonly (readonly [usecs: number, frames: number])[] = [
  [0, 0],
  [5, 0],
  [10, 0],
  [20, 0],
  [50, 0],
  [100, 0],
  [200, 0],
  [500, 0],
  [200, 4],
  [200, 16],
];
export const moderationLoads: readonly number[] = [10_000, 50_000, 150_000];

const MAC = '02:00:00:00:00:0a';
const IP = '10.1.0.1';
const PORT = 9;
const FRAME = 64;
const PAYLOAD_AT = 42;
const WARM_UP_NS = 2_000_000;

const frame = (): Uint8Array =>
  datagramFrame({
    mac: MAC,
    sourceMac: '02:00:00:00:00:01',
    source: '10.1.0.2',
    destination: IP,
    sourcePort: 1000,
    destinationPort: PORT,
    length: FRAME,
  });

/** One setting under one load for `ns` of simulated time. Arrivals are by chance, from the seed. */
export function moderationPoint(usecs: number, frames: number, pps: number, ns: number, seed: number): ModerationPoint {
  const world = new World({ seed, checks: false });
  const host = world.addHost({
    name: 'host',
    costs: true,
    drivers: [ringside_driver],
    nics: [{ mac: parseMac(MAC), rate: WIRE_RATE, memory: 16384 }],
  });
  const { kernel } = host;
  const [card] = host.cards as [Plugged];
  const load = new Load(world, world.connectSource(card), [frame()], 'poisson');
  const dev: net_device = host.up('eth0', in_aton(IP), 24);
  const failed = host.exec(() => ethtool_set_coalesce(dev, usecs, frames));
  if (failed !== 0) throw new Error(`set_coalesce gives ${failed}`);
  // Each frame carries its number, and no checksum; the wire keeps their order.
  load.before = (n, bytes) => {
    new DataView(bytes.buffer).setUint16(PAYLOAD_AT - 2, 0);
    new DataView(bytes.buffer).setUint32(PAYLOAD_AT, n);
  };
  const arrived: number[] = [];
  const nic = card.nic as Nic;
  nic.trace.frame_arrived = () => void arrived.push(nic.time);
  const latencies: number[] = [];
  host.spawn('sink', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, PORT));
    const buffer = sys.mmap(2048);
    for (;;) {
      yield* sys.recvfrom(fd, buffer, 2048, 0, null);
      const at = arrived[kernel.ram.dv.getUint32(buffer)];
      if (at !== undefined) latencies.push(kernel.clock.now - at);
    }
  });
  load.run(pps, WARM_UP_NS);
  latencies.length = 0;
  const irqs = irqCount(kernel, [card.line]);
  const shares = cpuWatch(kernel);
  load.run(pps, ns);
  latencies.sort((a, b) => a - b);
  const [cpu] = shares(ns) as [CpuShares];
  return {
    rx_usecs: usecs,
    rx_frames: frames,
    offered_pps: pps,
    received_pps: (latencies.length * 1e9) / ns,
    interrupts_per_s: ((irqCount(kernel, [card.line]) - irqs) * 1e9) / ns,
    latency_ns: {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: latencies.at(-1) ?? 0,
    },
    cpu,
  };
}

function table(points: readonly ModerationPoint[]): string {
  const rows = points.map(point => [
    String(point.offered_pps),
    String(point.rx_usecs),
    String(point.rx_frames),
    point.received_pps.toFixed(0),
    point.interrupts_per_s.toFixed(0),
    ...[point.latency_ns.p50, point.latency_ns.p99, point.latency_ns.max].map(ns => (ns / 1000).toFixed(1)),
    percent(point.cpu.hardirq),
    percent(point.cpu.idle),
  ]);
  const head = [
    'offered',
    'rx-usecs',
    'rx-frames',
    'received',
    'irqs/s',
    'p50 µs',
    'p99 µs',
    'max µs',
    'hardirq',
    'idle',
  ];
  return textTable(head, rows).join('\n');
}

function figure(points: readonly ModerationPoint[]): string {
  const loads = [...new Set(points.map(({ offered_pps }) => offered_pps))];
  const series = loads.map(load => ({
    name: `${load / 1000} k packets/s`,
    points: points
      .filter(({ offered_pps, rx_frames }) => offered_pps === load && rx_frames === 0)
      .map(({ interrupts_per_s, latency_ns }) => [interrupts_per_s, latency_ns.p99 / 1000] as const),
  }));
  const axes = { x: 'interrupts/s', y: 'latency, 99 of 100 below, µs', logX: true, logY: true };
  return plot(series, { title: 'Interrupt moderation: fewer interrupts, longer waits', ...axes });
}

export const moderation: Experiment<ModerationPoint> = {
  name: 'moderation',
  summary: 'latency against interrupt rate, over settings of the card’s interrupt moderation',
  shape:
    'a list of {rx_usecs, rx_frames, offered_pps, received_pps, interrupts_per_s, latency_ns: {p50, p99, max}, cpu}',
  plotted: 'latency (99th percentile) over interrupts a second, without the settings that count frames',
  defaultMs: 40,
  help: `
A program on a host with one CPU receives datagrams of 64 bytes that arrive by chance (Poisson) at a mean rate. The driver
sets the card's moderation as ethtool -C rx-usecs N rx-frames N does: after an interrupt the next one waits so many µs, or
until so many frames (0: any number) have come. Latency runs from a frame's last bit on the wire to recvfrom's return.`,
  run({ ms, seed }, progress) {
    const points: ModerationPoint[] = [];
    for (const load of moderationLoads) {
      for (const [usecs, frames] of moderationSettings) {
        progress(`rx-usecs ${usecs}, rx-frames ${frames} at ${load} packets/s`);
        points.push(moderationPoint(usecs, frames, load, ms * 1e6, seed));
      }
    }
    return points;
  },
  table,
  figure,
};
