/** One host's kernel: the root from which everything of that host hangs. Nothing in this folder is global. */
import type { Arch, Clock, Ram } from './arch.ts';
import { type Costs, make_costs } from './costs.ts';
import { init_irqs, type irq_desc } from './irq/manage.ts';
import { assert } from './lib/assert.ts';
import { hsiphash_key } from './lib/siphash.ts';
import { Slab } from './mm/slab.ts';
import { vlan_init } from './net/8021q/vlan_dev.ts';
import { br_init } from './net/bridge/br_if.ts';
import { net_dev_init, softnet_data, unregister_netdev } from './net/core/dev.ts';
import { net } from './net/core/net_namespace.ts';
import { dev_proc_init } from './net/core/net-procfs.ts';
import { flush_backlog } from './net/core/rps.ts';
import { skb_pool } from './net/core/skbuff.ts';
import { sysctl_core_init } from './net/core/sysctl_net_core.ts';
import { inet_init } from './net/ipv4/af_inet.ts';
import { netfilter_init } from './net/netfilter/init.ts';
import { packet_init } from './net/packet/af_packet.ts';
import { type pci_dev, pci_scan } from './pci.ts';
import { Scheduler } from './sched/core.ts';
import { Cpu } from './sched/cpu.ts';
import { NR_SOFTIRQS, open_softirq, run_ksoftirqd, type softirq_action, TIMER_SOFTIRQ } from './softirq.ts';
import { sysctl_table } from './sysctl.ts';
import type { hrtimer } from './time/hrtimer.ts';
import { timer_base } from './time/timer.ts';
import { Tracepoints } from './trace/events.ts';
import type { ProgramObserver } from './trace/observer.ts';

export interface KernelOptions {
  readonly hostname: string;
  /** The cost model: with it off, everything takes no time. */
  readonly costs: boolean;
}

export class Kernel {
  readonly hostname: string;
  readonly arch: Arch;
  readonly clock: Clock;
  readonly ram: Ram;
  readonly cost: Costs;
  readonly trace = new Tracepoints();
  observer: ProgramObserver | null = null;
  readonly slab: Slab;
  readonly irqs: irq_desc[];
  readonly softirq_vec: (softirq_action | null)[] = new Array(NR_SOFTIRQS).fill(null);
  /** Runs of each softirq, per CPU (/proc/softirqs). */
  readonly softirq_stat: Int32Array[];
  readonly timers: timer_base;
  readonly hrtimers_due: hrtimer[][];
  /** hrtimers that are armed, or whose function has still to run. */
  hrtimers_active = 0;
  /** Local timer interrupts per CPU (LOC in /proc/interrupts). */
  readonly local_timer_count: Int32Array;
  readonly sched: Scheduler;
  readonly cpus: Cpu[] = [];
  /** The CPU that runs; meaningful inside a context. */
  cpu: Cpu;
  readonly softnet: softnet_data[];
  readonly skbs: skb_pool;
  /** The key of flow hashes (net/core/flow_dissector.c: hashrnd). */
  readonly hashrnd: hsiphash_key;
  /** netdev_rss_key: made when the first card asks. */
  netdev_rss_key: Uint8Array | null = null;
  readonly init_net: net;
  /** Settings by name (sysctl). */
  readonly sysctl = new sysctl_table();
  readonly pci_devices: pci_dev[];
  /** A softirq's action runs one packet at a time: with costs on, so that interrupts can come between two. */
  readonly sliced: boolean;
  /** The kernel log. */
  readonly log: { time: number; message: string }[] = [];

  constructor(arch: Arch, options: KernelOptions) {
    this.hostname = options.hostname;
    this.arch = arch;
    this.clock = arch.clock;
    this.ram = arch.ram;
    this.cost = make_costs(options.costs);
    this.sliced = options.costs;
    this.slab = new Slab(arch.ram);
    this.skbs = new skb_pool(this);
    const random = arch.random('flow.hash');
    this.hashrnd = new hsiphash_key(random.u32(), random.u32());
    this.irqs = init_irqs(this);
    this.softirq_stat = Array.from({ length: arch.cpus }, () => new Int32Array(NR_SOFTIRQS));
    this.local_timer_count = new Int32Array(arch.cpus);
    this.hrtimers_due = Array.from({ length: arch.cpus }, () => []);
    this.timers = new timer_base(this);
    this.sched = new Scheduler(this);
    for (let id = 0; id < arch.cpus; id++) this.cpus.push(new Cpu(this, id));
    this.cpu = this.cpus[0] as Cpu;
    arch.intc.connect(this);
    open_softirq(this, TIMER_SOFTIRQ, () => this.timers.run());
    for (const cpu of this.cpus) cpu.ksoftirqd = this.sched.kthread(`ksoftirqd/${cpu.id}`, cpu, run_ksoftirqd);
    this.softnet = this.cpus.map(cpu => new softnet_data(this, cpu));
    this.init_net = new net(this);
    sysctl_core_init(this.init_net);
    net_dev_init(this);
    dev_proc_init(this.init_net);
    packet_init(this.init_net);
    inet_init(this.init_net);
    netfilter_init(this.init_net);
    vlan_init(this.init_net);
    br_init(this.init_net);
    this.pci_devices = pci_scan(this);
  }

  /**
   * Runs `fn` as the host itself would, in process context on CPU 0, at the present time: boot, `ip link set up`, a
   * driver's probe. Whoever is outside the simulation changes a host only through this.
   */
  exec<T>(fn: () => T): T {
    const { clock } = this;
    const cpu = this.cpus[0] as Cpu;
    assert(cpu.context === 0, 'exec from within a context');
    // Whatever the CPU is doing comes first: two calls in a row take their time one after the other.
    const start = Math.max(clock.time, cpu.hard_end, cpu.soft_end, cpu.task_end);
    clock.now = start;
    this.cpu = cpu;
    cpu.context = 1;
    try {
      return fn();
    } finally {
      cpu.context = 0;
      cpu.times.task += clock.now - start;
      cpu.task_end = clock.now;
      clock.now = clock.time;
      cpu.kick();
    }
  }

  /** An interrupt from the interrupt controller. */
  interrupt(cpu: number, irq: number): void {
    (this.cpus[cpu] as Cpu).interrupt(irq);
  }

  /** The local timer of a CPU fires. */
  local_timer(cpu: Cpu): void {
    cpu.timer_pending = true;
    cpu.kick();
  }

  /** Takes the network stack down: every device, then what each layer registered for this moment. */
  shutdown(): void {
    const { init_net } = this;
    for (const dev of [...init_net.devices].reverse()) unregister_netdev(dev);
    for (const sd of this.softnet) flush_backlog(sd, null);
    for (const exit of init_net.pernet_exit) exit();
  }

  printk(message: string): void {
    this.log.push({ time: this.clock.now, message });
    if (this.log.length > 1000) this.log.shift();
  }
}
