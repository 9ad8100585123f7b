/**
 * Receive livelock (Mogul and Ramakrishnan, "Eliminating Receive Livelock in an Interrupt-driven Kernel", ACM TOCS 1997):
 * a router is offered more and more packets. With an interrupt per packet it forwards fewer and fewer of them, until it
 * does nothing but take interrupts; with NAPI it goes on at its best rate.
 */
import { ne2k_pci_driver } from '../../driver/ne2k/main.ts';
import { ringside_driver, ringside_irq_driver } from '../../driver/ringside/main.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import type { pci_driver } from '../../kernel/pci.ts';
import type { Host, NicConfig, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import type { Experiment } from './experiment.ts';
import { type CpuShares, cpuWatch, datagramFrame, irqCount, Load, WIRE_RATE } from './load.ts';
import { plot } from './plot.ts';
import { percent, textTable } from './table.ts';

/** What one driver did under one load. Rates are packets per second. */
export interface LivelockPoint {
  readonly driver: string;
  readonly offered_pps: number;
  /** Forwarded: out of the other card. */
  readonly goodput_pps: number;
  /** The same load sent to a program on the host: what its recvfrom got. */
  readonly received_pps: number;
  /** Interrupts of the receiving card per packet that its driver received, while forwarding. */
  readonly irqs_per_packet: number;
  readonly cpu: CpuShares;
}

export interface LivelockDriver {
  readonly name: string;
  readonly what: string;
  readonly driver: pci_driver;
  readonly nic: Omit<NicConfig, 'mac'>;
  /** Loads that show rise, peak and what comes after, in packets per second. */
  readonly loads: readonly number[];
}

const THOUSAND = 1000;
const thousands = (...loads: number[]): number[] => loads.map(load => load * THOUSAND);
const NATIVE_LOADS = [
  ...thousands(50, 100, 150, 200, 250, 300, 400, 500, 600, 800),
  ...thousands(1000, 1250, 1500, 2000, 2500, 3000, 4000),
];
const NE2K_LOADS = thousands(2, 4, 6, 8, 10, 12, 14, 16, 20, 25, 32, 40, 50, 64, 80, 100, 150, 200);

export const livelockDrivers: readonly LivelockDriver[] = [
  {
    name: 'ne2k',
    what: 'NE2000, programmed I/O',
    driver: ne2k_pci_driver,
    nic: { model: 'ne2000', rate: WIRE_RATE },
    loads: NE2K_LOADS,
  },
  {
    name: 'ringside-irq',
    what: 'an interrupt per packet',
    driver: ringside_irq_driver,
    nic: { rate: WIRE_RATE, memory: 16384 },
    loads: NATIVE_LOADS,
  },
  {
    name: 'ringside',
    what: 'NAPI',
    driver: ringside_driver,
    nic: { rate: WIRE_RATE, memory: 16384 },
    loads: NATIVE_LOADS,
  },
];

const MAC = '02:00:00:00:00:0a';
const ROUTER = '10.1.0.254';
const FAR = '10.2.0.2';
const PORT = 9;
const WARM_UP_NS = 10_000_000;

const frameTo = (destination: string): Uint8Array =>
  datagramFrame({
    mac: MAC,
    sourceMac: '02:00:00:00:00:01',
    source: '10.1.0.1',
    destination,
    sourcePort: 1000,
    destinationPort: PORT,
    length: 60,
  });

/** A router with a constant load on its first card. */
class Router {
  private readonly host: Host;
  private readonly kernel: Kernel;
  private readonly load: Load;
  private out = 0;
  private received = 0;

  constructor({ driver, nic }: LivelockDriver, seed: number, frame: Uint8Array) {
    const world = new World({ seed, checks: false });
    this.host = world.addHost({
      name: 'router',
      costs: true,
      drivers: [driver],
      nics: [
        { ...nic, mac: parseMac(MAC) },
        { ...nic, mac: parseMac('02:00:00:00:00:0b') },
      ],
    });
    this.kernel = this.host.kernel;
    const [first, second] = this.host.cards as [Plugged, Plugged];
    this.load = new Load(world, world.connectSource(first), [frame]);
    world.connectSource(second).source.heard = () => this.out++;
    this.host.up('eth0', in_aton(ROUTER), 24);
    const eth1 = this.host.up('eth1', in_aton('10.2.0.254'), 24);
    this.host.exec(() => {
      this.kernel.init_net.ipv4.ip_forward = 1;
      neigh_add(this.kernel.init_net.ipv4.arp, in_aton(FAR), eth1, parseMac('02:00:00:00:00:02'), NUD_PERMANENT);
    });
    const router = this;
    this.host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, PORT));
      const buffer = sys.mmap(2048);
      for (;;) {
        yield* sys.recvfrom(fd, buffer, 2048, 0, null);
        router.received++;
      }
    });
  }

  private counts(): { out: number; received: number; irqs: number; frames: number } {
    const [card] = this.host.cards as [Plugged];
    const { out, received, kernel } = this;
    const frames = kernel.init_net.dev_get_by_name('eth0')?.stats.rx_packets ?? 0;
    return { out, received, irqs: irqCount(kernel, [card.line]), frames };
  }

  /** Rates over `ns` of the load, after a warm-up. */
  measure(pps: number, ns: number): { out: number; received: number; irqsPerPacket: number; cpu: CpuShares } {
    this.load.run(pps, WARM_UP_NS);
    const before = this.counts();
    const shares = cpuWatch(this.kernel);
    this.load.run(pps, ns);
    const after = this.counts();
    const [cpu] = shares(ns) as [CpuShares];
    const frames = after.frames - before.frames;
    return {
      out: ((after.out - before.out) * 1e9) / ns,
      received: ((after.received - before.received) * 1e9) / ns,
      irqsPerPacket: frames === 0 ? 0 : (after.irqs - before.irqs) / frames,
      cpu,
    };
  }
}

/** One driver under one load for `ns` of simulated time, forwarding and, in a run of its own, receiving. */
export function livelockPoint(driver: LivelockDriver, pps: number, ns: number, seed: number): LivelockPoint {
  const forwarding = new Router(driver, seed, frameTo(FAR)).measure(pps, ns);
  const receiving = new Router(driver, seed, frameTo(ROUTER)).measure(pps, ns);
  return {
    driver: driver.name,
    offered_pps: pps,
    goodput_pps: forwarding.out,
    received_pps: receiving.received,
    irqs_per_packet: forwarding.irqsPerPacket,
    cpu: forwarding.cpu,
  };
}

function table(points: readonly LivelockPoint[]): string {
  const lines: string[] = [];
  for (const { name, what } of livelockDrivers) {
    const mine = points.filter(point => point.driver === name);
    const peak = mine.reduce((best, point) => (point.goodput_pps > best.goodput_pps ? point : best));
    const last = mine.at(-1) as LivelockPoint;
    const rows = mine.map(({ offered_pps, goodput_pps, received_pps, irqs_per_packet, cpu }) => [
      ...[offered_pps, goodput_pps, received_pps].map(rate => rate.toFixed(0)),
      irqs_per_packet.toFixed(2),
      ...[cpu.hardirq, cpu.softirq, cpu.task, cpu.idle].map(percent),
    ]);
    lines.push(
      `${name}: ${what}`,
      ...textTable(['offered', 'forwarded', 'received', 'irqs/packet', 'hardirq', 'softirq', 'task', 'idle'], rows),
      `peak ${peak.goodput_pps.toFixed(0)} packets/s at ${peak.offered_pps} offered; ${percent(last.goodput_pps / peak.goodput_pps)} of it at ${last.offered_pps}`,
      '',
    );
  }
  return lines.join('\n').trimEnd();
}

function figure(points: readonly LivelockPoint[]): string {
  const series = livelockDrivers.map(({ name, what }) => ({
    name: what,
    points: points.filter(point => point.driver === name).map(point => [point.offered_pps, point.goodput_pps] as const),
  }));
  const axes = { x: 'offered load, packets/s', y: 'forwarded, packets/s', logX: true, logY: true };
  return plot(series, { title: 'Receive livelock', ...axes });
}

export const livelock: Experiment<LivelockPoint> = {
  name: 'livelock',
  summary: 'rising load against drivers with an interrupt per packet, and one with NAPI',
  shape: 'a list of {driver, offered_pps, goodput_pps, received_pps, irqs_per_packet, cpu}',
  plotted: 'goodput over offered load',
  defaultMs: 25,
  help: `
A host with one CPU forwards 60-byte UDP frames from one card to another, both on wires of 10 Gbit/s: an NE2000, which the
CPU empties through its data port; the native card with an interrupt per packet; the native card with NAPI. goodput is
what leaves the second card; received is what a program's recvfrom gets of the same load sent to the host itself, in a run
of its own. The CPU shares are those of the forwarding run.

This is the figure of Mogul and Ramakrishnan, "Eliminating Receive Livelock in an Interrupt-driven Kernel" (1997).`,
  run({ ms, seed }, progress) {
    const points: LivelockPoint[] = [];
    for (const driver of livelockDrivers) {
      for (const load of driver.loads) {
        progress(`${driver.name} at ${load} packets/s`);
        points.push(livelockPoint(driver, load, ms * 1e6, seed));
      }
    }
    return points;
  },
  table,
  figure,
};
