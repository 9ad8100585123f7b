/** One host: CPUs, RAM, interrupt controller, bus, PCI slots with cards, and the kernel that runs on it. */
import { MacEeprom } from '../../device/eeprom.ts';
import { Ne2000, type Ne2000Options } from '../../device/ne2000.ts';
import { Nic, type NicTiming } from '../../device/nic.ts';
import { ne2k_pci_driver } from '../../driver/ne2k/main.ts';
import { ringside_driver } from '../../driver/ringside/main.ts';
import type { Arch, RandomStream } from '../../kernel/arch.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { dev_open } from '../../kernel/net/core/dev.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { type pci_driver, pci_register_driver, pci_unregister_driver } from '../../kernel/pci.ts';
import type { Program, task_struct } from '../../kernel/sched/task.ts';
import { type Syscalls, spawn } from '../../kernel/syscalls.ts';
import { HostBus } from './bus.ts';
import { Cable } from './cable.ts';
import { LevelInterruptController } from './intc.ts';
import { DeviceIommu } from './iommu.ts';
import type { HashedPrograms } from './observed.ts';
import { CardSlot } from './slot.ts';
import type { World } from './world.ts';

/** Level lines, and above them interrupt numbers for messages: so many for each slot. */
const LINES = 24;
const MESSAGES_PER_SLOT = 8;
const FIRST_LINE = 10;
const MEMORY_BARS = 0x30000000;
const IO_BARS = 0xc000;

export interface NicConfig {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** The native card, or an NE2000 on PCI. */
  readonly model?: 'ringside' | 'ne2000';
  /** Packet memory in bytes: 4096 or 16384 (or other whole numbers of pages); left out, 4096, for an NE2000 16384. */
  readonly memory?: number;
  /** bit/s or 'instant'. */
  readonly rate?: number | 'instant';
  readonly timing?: NicTiming;
}

export interface HostConfig {
  readonly name: string;
  readonly cpus?: number;
  /** RAM in bytes. */
  readonly ram?: number;
  /** The cost model. */
  readonly costs?: boolean;
  /** How long a posted write takes, in ns, 0 to 1000. */
  readonly postedNs?: number;
  readonly nics: readonly NicConfig[];
  /** Drivers to register at boot; the reference driver and the NE2000's when left out. */
  readonly drivers?: readonly pci_driver[];
}

export const DEFAULT_RATE = 1_000_000_000;
const NE2000_MEMORY = 16384;
const DEFAULT_RAM = 16 * 1024 * 1024;
export const DEFAULT_POSTED_NS = 200;

/** A card in its slot. */
export interface Plugged {
  readonly nic: Nic | Ne2000;
  readonly slot: CardSlot;
  readonly mac: Uint8Array;
  readonly rate: number | 'instant';
  /** The interrupt line. */
  readonly line: number;
}

export class Host {
  readonly name: string;
  readonly world: World;
  readonly kernel: Kernel;
  readonly intc: LevelInterruptController;
  readonly bus: HostBus;
  readonly cards: Plugged[] = [];
  private readonly drivers: readonly pci_driver[];
  private programs: HashedPrograms | null = null;

  constructor(world: World, config: HostConfig) {
    const { sim, arena } = world;
    this.name = config.name;
    this.world = world;
    this.intc = new LevelInterruptController(sim, LINES + MESSAGES_PER_SLOT * config.nics.length);
    this.bus = new HostBus(sim, config.postedNs ?? DEFAULT_POSTED_NS);
    const ram = arena.ram(config.ram ?? DEFAULT_RAM);
    for (const [i, nic] of config.nics.entries()) this.plug(nic, i);
    const arch: Arch = {
      cpus: config.cpus ?? 1,
      clock: sim,
      ram,
      bus: this.bus,
      intc: this.intc,
      pci: this.cards.map(card => card.slot),
      random: (name: string): RandomStream => world.chance.stream(`${config.name}.${name}`),
      report: (detector, message) => world.report(`${detector}`, `${config.name}: ${message}`),
    };
    this.kernel = new Kernel(arch, { hostname: config.name, costs: config.costs ?? false });
    this.kernel.sched.on_exit = task => {
      this.programs?.exit(task);
      if (task.exit_error !== null)
        world.report('task', `${config.name}: ${task.comm} ended by ${String(task.exit_error)}`);
    };
    this.drivers = config.drivers ?? [ringside_driver, ne2k_pci_driver];
  }

  private plug(config: NicConfig, index: number): void {
    const { world } = this;
    const { sim, arena } = world;
    const line = FIRST_LINE + index;
    const name = `0000:00:${(3 + index).toString(16).padStart(2, '0')}.0`;
    const report = (detector: string, message: string): void => world.report(detector, `${this.name}: ${message}`);
    const iommu = new DeviceIommu(name, report);
    const slot = new CardSlot(name, sim, arena, this.intc, line, iommu, LINES + MESSAGES_PER_SLOT * index);
    const ne2000 = config.model === 'ne2000';
    const size = config.memory ?? (ne2000 ? NE2000_MEMORY : 4096);
    const rate = config.rate ?? DEFAULT_RATE;
    const options = {
      memory: { bytes: arena.u8, base: arena.alloc(size), size, move: arena.move, sum: arena.cardSum },
      irq: slot,
      wire: { transmit: (bytes, at, length, fcs, id) => slot.wire?.transmit(bytes, at, length, fcs, id) },
      eeprom: new MacEeprom(config.mac),
      violations: {
        violation: (rule, offset, value, time) => world.violation(this.name, rule, offset, value, time),
      },
      rate,
    } satisfies Ne2000Options;
    const timing = config.timing === undefined ? {} : { timing: config.timing };
    const nic = ne2000 ? new Ne2000(options) : new Nic({ ...options, dma: slot.dma, ...timing });
    slot.insert(nic, MEMORY_BARS + index * 0x10000, IO_BARS + index * 0x100);
    // Until a cable is plugged in, the card's deadlines still need the simulation.
    slot.cable = new Cable(sim, null, '');
    slot.cable.add(nic, `${this.name}.nic${index}`);
    this.bus.attach(slot);
    this.cards.push({ nic, slot, mac: config.mac, rate, line });
  }

  /** From now on what its programs see goes into the run hash. */
  observe(programs: HashedPrograms): void {
    this.programs = programs;
    this.kernel.observer = programs;
  }

  /** Registers the drivers (which probe the cards) and brings the loopback up. */
  boot(): void {
    const { kernel } = this;
    kernel.exec(() => {
      dev_open(kernel.init_net.loopback_dev as net_device);
      inet_addr_add(kernel.init_net.loopback_dev as net_device, 0x7f000001, 8);
      for (const driver of this.drivers) pci_register_driver(kernel, driver);
    });
    this.refresh();
  }

  /** `ip link set DEV up; ip addr add ADDRESS/PREFIX dev DEV`; the address in host order. Throws when either fails. */
  up(name: string, address: number, prefixLength: number): net_device {
    const dev = this.kernel.init_net.dev_get_by_name(name);
    if (dev === null)
      throw new Error(`${this.name}: no device ${name}: ${this.kernel.log.map(line => line.message).join('; ')}`);
    const failed = this.kernel.exec(() => dev_open(dev) || inet_addr_add(dev, address, prefixLength));
    this.refresh();
    if (failed !== 0) throw new Error(`${this.name}: bringing ${name} up failed with ${failed}`);
    return dev;
  }

  /** Starts a user program; with `leader`, as a thread of that task: files and memory are shared. */
  spawn(comm: string, program: (sys: Syscalls) => Program, cpu = 0, leader: task_struct | null = null): task_struct {
    return spawn(this.kernel, comm, program, cpu, leader);
  }

  /** Runs `fn` as the host itself, at the present. */
  exec<T>(fn: () => T): T {
    const result = this.kernel.exec(fn);
    this.refresh();
    return result;
  }

  /** Takes everything down as a shutdown does: programs, interfaces, drivers. */
  shutdown(): void {
    const { kernel } = this;
    kernel.exec(() => {
      kernel.sched.kill_all();
      for (const driver of this.drivers) pci_unregister_driver(kernel, driver);
      kernel.shutdown();
    });
    this.refresh();
  }

  private refresh(): void {
    for (const { slot } of this.cards) slot.sync();
  }
}
