/** The machine behind a drill's door: one host with one card, the far end of its wire, and the clock that moves both. */
import { errno_name } from '../../kernel/errno.ts';
import { dev_set_mtu, netif_carrier_ok } from '../../kernel/net/core/dev.ts';
import { ethtool_set_features } from '../../kernel/net/core/features.ts';
import {
  NETIF_F_GRO,
  NETIF_F_GSO,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  type net_device,
} from '../../kernel/net/core/netdevice.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import type { Program, task_struct } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { PcapngWriter } from '../wire/pcap/write.ts';
import { quad } from './address.ts';
import { between, checkOptions, moment, objectOf, shown } from './check.ts';
import { type Body, Pending } from './operation.ts';
import { writeSysctl } from './settings.ts';
import { dropWatchdog, orphanSent, tcpPayload, tunReceive } from './tun.ts';
import type { DrillFinding, DrillOptions, Operation } from './types.ts';
import { DrillWire, type SentPacket } from './wire.ts';

const DEFAULT_RAM = 64 * 1024 * 1024;
const BESIDE_RAM = 16 * 1024 * 1024;
const HOST_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
/** So many events may one call of the door set off: what is busier than that is said, and goes on with the next call. */
const EVENTS_MAX = 200_000;
/** What an IPv4 header can say that it is. */
const PACKET_MAX = 0xffff;
/** So many descriptors may the host's process open. */
const DESCRIPTORS = 65536;
const RLIMIT_NOFILE = 7;
/** A segment leaves the card at the nanosecond at which it was sent. */
const NO_TIME = { resetNs: 0, eepromNs: 0, mdioNs: 0, negotiateNs: 0, dmaSetupNs: 0, dmaNsPerByte: 0 };

function startCapture(world: World): PcapngWriter {
  const writer = new PcapngWriter();
  const port = writer.addInterface('eth0');
  world.watchFrames((_wire, from, bytes, at, length, _fcs, _id, time) => {
    writer.addFrame(port, Math.round(time), bytes.subarray(at, at + length), {
      direction: from === 0 ? 'outbound' : 'inbound',
    });
  });
  return writer;
}

export class DrillMachine {
  private readonly world: World;
  protected readonly host: Host;
  protected readonly device: net_device;
  private readonly wire: DrillWire;
  private readonly capture: PcapngWriter | null;
  private readonly leader: task_struct;
  private readonly whole: boolean;
  private readonly mtu: number;
  private findings: DrillFinding[] | null = null;
  private awaited = 0;

  /** @throws TypeError, RangeError, Error for options that cannot be */
  constructor(options: DrillOptions = {}) {
    checkOptions(options);
    const { mtu = 1500, ram = DEFAULT_RAM, prefixLength = 16, seed = 1 } = options;
    this.mtu = mtu;
    this.whole = options.whole ?? true;
    const address = quad('localAddress', options.localAddress ?? '192.168.0.1');
    const gateway = quad('gateway', options.gateway ?? '192.168.0.2');
    this.world = new World({ seed, memory: ram + BESIDE_RAM });
    const card = { mac: HOST_MAC, rate: 'instant', timing: NO_TIME } as const;
    try {
      this.host = this.world.addHost({ name: 'drill', ram, postedNs: 0, nics: [card] });
      this.wire = new DrillWire(this.world, this.host.cards[0] as Plugged, mtu);
      this.capture = options.capture === true ? startCapture(this.world) : null;
      const { kernel } = this.host;
      for (const [name, value] of Object.entries(options.sysctls ?? {})) {
        writeSysctl(this.host, name, value);
        this.serve();
      }
      this.device = kernel.init_net.dev_get_by_name('eth0') as net_device;
      const failed = this.host.exec(() => dev_set_mtu(this.device, mtu));
      if (failed < 0) throw new RangeError(`mtu ${mtu}: ${errno_name(failed)}`);
      dropWatchdog(this.device);
      if (options.orphan !== false) orphanSent(this.device);
      this.host.up('eth0', address, prefixLength);
      this.offloads(options);
      // A first packet must not wait for the link.
      while (!netif_carrier_ok(this.device) && this.world.sim.step());
      const failedRoute = this.host.exec(() =>
        ip_route_add(kernel.init_net, { dst: 0, prefix_len: 0, gateway, dev: this.device }),
      );
      if (failedRoute < 0) throw new RangeError(`gateway: ${errno_name(failedRoute)}`);
      let ready = false;
      this.leader = this.host.spawn('drill', function* (sys): Program {
        yield* sys.setrlimit(RLIMIT_NOFILE, DESCRIPTORS);
        // 0, 1 and 2 are taken, as in every program.
        for (let fd = 0; fd <= 2; fd++) yield* sys.epoll_create1(0);
        ready = true;
        // Threads come and go; the process stays.
        for (;;) yield* sys.nanosleep(Number.MAX_SAFE_INTEGER);
      });
      // The driver's own pauses at the start take their time.
      while (!ready && this.world.sim.step());
    } catch (error) {
      this.world.finish();
      throw error;
    }
    this.serve();
    this.wire.take();
  }

  /** `ethtool -K`, for what is to be off. */
  private offloads({ gso = true, tso = true, gro = true, checksums = true }: DrillOptions): void {
    const off =
      (gso ? 0 : NETIF_F_GSO) |
      (tso ? 0 : NETIF_F_TSO) |
      (gro ? 0 : NETIF_F_GRO) |
      (checksums ? 0 : NETIF_F_HW_CSUM | NETIF_F_RXCSUM);
    if (off === 0) return;
    const failed = this.host.exec(() => ethtool_set_features(this.device, off & this.device.hw_features, 0));
    if (failed < 0 || (this.device.features & off) !== 0) throw new Error(`offloads: ${errno_name(failed)}`);
  }

  // ---- the clock ----------------------------------------------------------------------------------------------------

  /** ns */
  get now(): number {
    return this.world.sim.time;
  }

  /** When the next thing happens by itself, ns; Infinity: never. */
  nextDeadline(): number {
    this.open();
    return this.world.sim.next();
  }

  /** Lets `ns` pass. @throws as runUntil */
  advance(ns: number): void {
    if (typeof ns !== 'number') throw new TypeError(`advance: ns expected, not ${shown(ns)}`);
    if (!(ns >= 0)) throw new RangeError(`advance by ${ns} ns: time does not run backwards`);
    this.runUntil(this.now + ns);
  }

  /**
   * Serves everything due up to and including `time` (ns), and stands there. A time that has passed: nothing happens.
   * @throws RangeError beyond 9e15 ns, where a host's clock ends; Error when 200000 events have not brought it there: the
   * clock then stands where they did, and the next call goes on
   */
  runUntil(time: number): void {
    this.open();
    const until = Math.ceil(moment('run until', time));
    this.step(until, () => false);
    this.world.sim.run(until);
  }

  /** Runs until the operation is done, or to `limit` (ns). Returns whether it is done. @throws as runUntil */
  runUntilDone(operation: Operation<unknown>, limit: number): boolean {
    this.open();
    objectOf('operation', operation);
    const until = moment('limit', limit);
    this.step(until, () => operation.done);
    // The rest of the instant; the whole of the time when it did not finish.
    this.runUntil(operation.done ? this.now : Math.max(until, this.now));
    return operation.done;
  }

  /** Operations that have not finished. */
  get pending(): number {
    return this.awaited;
  }

  // ---- the wire -----------------------------------------------------------------------------------------------------

  /**
   * netdev_send: an IPv4 packet arrives at the host now, and everything that it sets off at this instant has happened
   * when the method returns. `mss`: a TCP packet with more payload than that stands for segments of this size, as GRO
   * makes them (gso_size); packetdrill's option of that name. @throws RangeError when it is no IP packet
   */
  inject(packet: Uint8Array, mss = 0): void {
    this.open();
    if (!(packet instanceof Uint8Array)) throw new TypeError('packet: a Uint8Array expected');
    between('mss', mss, 0, 0xffff);
    if (packet.length > PACKET_MAX) throw new RangeError(`packet: ${packet.length} bytes, ${PACKET_MAX} at most`);
    const whole = this.whole && (packet[0] as number) >> 4 === 4;
    if (whole && (packet.length > this.mtu || (mss > 0 && tcpPayload(packet) > mss))) {
      const { kernel } = this.host;
      if (!this.host.exec(() => tunReceive(kernel, this.device, packet, mss))) throw new Error('inject: no memory');
    } else this.wire.inject(packet);
    this.serve();
  }

  /** The packets that the host has sent since the last `take` or `receive`, each with the time at which it left. */
  take(): SentPacket[] {
    this.open();
    return this.wire.take();
  }

  /**
   * netdev_receive: the next packet that the host sends, at `limit` (ns) at the latest; undefined: none until then. The
   * clock stands where the packet left, or at `limit`. @throws as runUntil
   */
  receive(limit: number): SentPacket | undefined {
    this.open();
    const until = moment('limit', limit);
    this.step(until, () => this.wire.waiting > 0);
    if (this.wire.waiting === 0) this.world.sim.run(Math.max(until, this.now));
    return this.wire.shift();
  }

  /** What passed on the wire, ARP included, as a pcapng file. @throws Error without the option `capture` */
  pcap(): Uint8Array {
    if (this.capture === null) throw new Error('pcap: the option `capture` is off');
    return this.capture.bytes();
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /**
   * Ends the host: pending operations never finish, the process's descriptors are closed, everything is taken down.
   * Returns what was found wrong in the whole run, leaks included: an empty list if all is well. Asked again, it says
   * the same.
   */
  end(): readonly DrillFinding[] {
    this.findings ??= this.world.finish().map(({ detector, message, time }) => ({ detector, message, time }));
    return this.findings;
  }

  // ---- within -------------------------------------------------------------------------------------------------------

  /** @throws Error after the end */
  protected open(): void {
    if (this.findings !== null) throw new Error('the drill host has ended');
  }

  /** Everything due at the present instant. */
  protected serve(): void {
    this.runUntil(this.now);
  }

  /** Begins a system call in a thread of its own. */
  protected call<T>(name: string, body: Body<T>): Pending<T> {
    this.open();
    const { sim } = this.world;
    const operation = new Pending<T>(name, sim.time);
    this.awaited++;
    const finish = (result: number, value: T | undefined): void => {
      operation.finish(result, result < 0 ? undefined : value, sim.time);
      this.awaited--;
    };
    function* thread(sys: Syscalls): Program {
      finish(...(yield* body(sys)));
      return 0;
    }
    this.host.exec(() => this.host.spawn(name, thread, 0, this.leader));
    this.serve();
    return operation;
  }

  /** Serves event after event up to `until`, or until it is enough. @throws Error when that takes EVENTS_MAX of them */
  private step(until: number, enough: () => boolean): void {
    const { sim } = this.world;
    for (let left = EVENTS_MAX; !enough() && sim.next() <= until; left--) {
      if (left <= 0) throw new Error(`${EVENTS_MAX} events, and more to come: the clock stands at ${sim.time} ns`);
      sim.step();
    }
  }
}
