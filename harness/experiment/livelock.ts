/**
 * Receive livelock (Mogul and Ramakrishnan, "Eliminating Receive Livelock in an Interrupt-driven Kernel", ACM TOCS 1997):
 * a router is offered more and more packets. With an interrupt per packet it forwards fewer and fewer of them, until it
 * does nothing but take interrupts; with NAPI it goes on at its best rate.
 */
import { FCS_GOOD } from '../../device/ports.ts';
import { ringside_driver, ringside_irq_driver } from '../../driver/ringside/main.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import type { pci_driver } from '../../kernel/pci.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';

/** Shares of CPU time, of 1. */
export interface CpuShares {
  readonly hardirq: number;
  readonly softirq: number;
  readonly task: number;
  readonly idle: number;
}

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
}

export const livelockDrivers: readonly LivelockDriver[] = [
  { name: 'ringside-irq', what: 'an interrupt per packet', driver: ringside_irq_driver },
  { name: 'ringside', what: 'NAPI', driver: ringside_driver },
];

/** Loads that show rise, peak and what comes after, in packets per second. */
export const livelockLoads: readonly number[] = [
  50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 400_000, 500_000, 600_000, 800_000, 1_000_000, 1_250_000,
  1_500_000, 2_000_000, 2_500_000, 3_000_000, 4_000_000,
];

const MAC = '02:00:00:00:00:0a';
const PEER_MAC = '02:00:00:00:00:01';
const ROUTER = '10.1.0.254';
const PEER = '10.1.0.1';
const FAR = '10.2.0.2';
const PORT = 9;
/** A wire on which the load fits: 64-byte frames at up to 14.8 million a second. */
const RATE = 10_000_000_000;
const WARM_UP_NS = 20_000_000;
const FRAME = 60;

function frameTo(destination: string): Uint8Array {
  const addresses = { source: PEER, destination };
  const udp = buildUdp({ sourcePort: 1000, destinationPort: PORT, payload: new Uint8Array(FRAME - 42) }, addresses);
  const payload = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: MAC, source: PEER_MAC, etherType: 0x0800, payload });
}

interface Counts {
  readonly out: number;
  readonly received: number;
  readonly irqs: number;
  readonly frames: number;
  readonly hardirq: number;
  readonly softirq: number;
  readonly task: number;
}

/** A router with a constant load on its first card. */
class Router {
  private readonly host: Host;
  private readonly kernel: Kernel;
  private out = 0;
  private received = 0;
  private readonly load: (pps: number, ns: number) => void;

  constructor(driver: pci_driver, seed: number, frame: Uint8Array) {
    const world = new World({ seed, checks: false });
    const nic = { rate: RATE, memory: 16384 };
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
    const { source, cable } = world.connectSource(first);
    const far = world.connectSource(second);
    far.source.heard = () => this.out++;
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
    this.load = (pps, ns) => {
      const { sim } = world;
      const gap = 1e9 / pps;
      const end = sim.time + ns;
      // Enough for about a thousand frames at a time in the sender's queue.
      const chunk = Math.max(1_000_000, Math.ceil(gap));
      for (let next = sim.time; sim.time < end; ) {
        for (const until = Math.min(sim.time + Math.min(chunk, 1000 * gap), end); next < until; next += gap) {
          source.send(frame, 0, frame.length, FCS_GOOD, 0, Math.floor(next));
        }
        cable.refresh();
        sim.run(Math.min(end, Math.ceil(next)));
      }
    };
  }

  private counts(): Counts {
    const { kernel } = this;
    const [card] = this.host.cards as [Plugged];
    const [cpu] = kernel.cpus;
    const dev = kernel.init_net.dev_get_by_name('eth0');
    const { hardirq, softirq, task } = (cpu as NonNullable<typeof cpu>).times;
    return {
      out: this.out,
      received: this.received,
      irqs: kernel.irqs[card.line]?.kstat[0] ?? 0,
      frames: dev?.stats.rx_packets ?? 0,
      hardirq,
      softirq,
      task,
    };
  }

  /** Rates over `ns` of the load, after a warm-up. */
  measure(pps: number, ns: number): { out: number; received: number; irqsPerPacket: number; cpu: CpuShares } {
    this.load(pps, WARM_UP_NS);
    const before = this.counts();
    this.load(pps, ns);
    const after = this.counts();
    const rate = (key: 'out' | 'received'): number => ((after[key] - before[key]) * 1e9) / ns;
    const share = (key: 'hardirq' | 'softirq' | 'task'): number => Math.min(1, (after[key] - before[key]) / ns);
    const cpu = { hardirq: share('hardirq'), softirq: share('softirq'), task: share('task') };
    const frames = after.frames - before.frames;
    return {
      out: rate('out'),
      received: rate('received'),
      irqsPerPacket: frames === 0 ? 0 : (after.irqs - before.irqs) / frames,
      cpu: { ...cpu, idle: Math.max(0, 1 - cpu.hardirq - cpu.softirq - cpu.task) },
    };
  }
}

/** One driver under one load for `ns` of simulated time, forwarding and, in a run of its own, receiving. */
export function livelockPoint({ name, driver }: LivelockDriver, pps: number, ns: number, seed: number): LivelockPoint {
  const forwarding = new Router(driver, seed, frameTo(FAR)).measure(pps, ns);
  const receiving = new Router(driver, seed, frameTo(ROUTER)).measure(pps, ns);
  return {
    driver: name,
    offered_pps: pps,
    goodput_pps: forwarding.out,
    received_pps: receiving.received,
    irqs_per_packet: forwarding.irqsPerPacket,
    cpu: forwarding.cpu,
  };
}
