/** Frames at a rate: what every experiment offers to a host, and what that host's CPUs did with their time. */
import { FCS_GOOD } from '../../device/ports.ts';
import type { FrameSource } from '../../device/wire/source.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Cable } from '../machine/cable.ts';
import type { World } from '../machine/world.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';

/** A wire on which every load fits: 64-byte frames at up to 14.8 million a second. */
export const WIRE_RATE = 10_000_000_000;

/** Shares of CPU time, of 1. */
export interface CpuShares {
  readonly hardirq: number;
  readonly softirq: number;
  readonly task: number;
  readonly idle: number;
}

export interface Datagram {
  readonly mac: string;
  readonly sourceMac: string;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of the frame, without FCS, 42 at least. */
  readonly length: number;
}

/** An Ethernet frame with a UDP datagram. */
export function datagramFrame(to: Datagram): Uint8Array {
  const addresses = { source: to.source, destination: to.destination };
  const ports = { sourcePort: to.sourcePort, destinationPort: to.destinationPort };
  const udp = buildUdp({ ...ports, payload: new Uint8Array(to.length - 42) }, addresses);
  const payload = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: to.mac, source: to.sourceMac, etherType: 0x0800, payload });
}

/** How frames follow each other: at equal distances, or by chance (Poisson) from the run's seed. */
export type Spacing = 'even' | 'poisson';

/** Sends frames in turn. */
export class Load {
  private readonly world: World;
  private readonly source: FrameSource;
  private readonly cable: Cable;
  private readonly frames: readonly Uint8Array[];
  private readonly gap: (mean: number) => number;
  /** Called with the number of each frame before it is handed over: it may still be changed. */
  before: ((n: number, frame: Uint8Array) => void) | null = null;
  sent = 0;

  constructor(
    world: World,
    { source, cable }: { source: FrameSource; cable: Cable },
    frames: readonly Uint8Array[],
    spacing: Spacing = 'even',
  ) {
    this.world = world;
    this.source = source;
    this.cable = cable;
    this.frames = frames;
    const random = world.chance.stream('experiment.load');
    this.gap = spacing === 'even' ? mean => mean : mean => -Math.log((random.u32() + 1) / 2 ** 32) * mean;
  }

  /** `pps` frames a second for `ns` of simulated time. */
  run(pps: number, ns: number): void {
    const { sim } = this.world;
    const mean = 1e9 / pps;
    const end = sim.time + ns;
    // Enough for about a thousand frames at a time in the sender's queue.
    const chunk = Math.min(Math.max(1_000_000, Math.ceil(mean)), 1000 * mean);
    for (let next = sim.time; sim.time < end; ) {
      for (const until = Math.min(sim.time + chunk, end); next < until; next += this.gap(mean)) {
        const frame = this.frames[this.sent % this.frames.length] as Uint8Array;
        this.before?.(this.sent, frame);
        this.sent++;
        this.source.send(frame, 0, frame.length, FCS_GOOD, 0, Math.floor(next));
      }
      this.cable.refresh();
      sim.run(Math.min(end, Math.ceil(next)));
    }
  }
}

/** Interrupts that these numbers have had, on all CPUs. */
export function irqCount(kernel: Kernel, irqs: readonly number[]): number {
  return irqs.reduce((sum, irq) => sum + (kernel.irqs[irq]?.kstat.reduce((a, b) => a + b, 0) ?? 0), 0);
}

interface Times {
  readonly hardirq: number;
  readonly softirq: number;
  readonly task: number;
}

/** What a CPU has spent until `now`: its books have a context's whole time from its beginning on. */
function timesUntil({ times, hard_end, soft_end, task_end }: Kernel['cpus'][0], now: number): Times {
  const rest = (end: number, above: number): number => Math.max(0, end - Math.max(now, above));
  return {
    hardirq: times.hardirq - rest(hard_end, 0),
    softirq: times.softirq - rest(soft_end, hard_end),
    task: times.task - rest(task_end, Math.max(hard_end, soft_end)),
  };
}

/** Reads the CPUs' times; calling the result gives each CPU's shares since. */
export function cpuWatch(kernel: Kernel): (ns: number) => CpuShares[] {
  const read = (): Times[] => kernel.cpus.map(cpu => timesUntil(cpu, kernel.clock.time));
  const before = read();
  return ns =>
    read().map((times, i) => {
      const was = before[i] as Times;
      const share = (key: keyof Times): number => Math.min(1, Math.max(0, (times[key] - was[key]) / ns));
      const [hardirq, softirq, task] = [share('hardirq'), share('softirq'), share('task')];
      return { hardirq, softirq, task, idle: Math.max(0, 1 - hardirq - softirq - task) };
    });
}

/** The value below which `share` (of 1) of the sorted values lie; 0 for none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
