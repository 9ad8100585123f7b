/** Where each packet is copied, and how often, from one program's buffer to another's. */
import { Nic } from '../../device/nic.ts';
import { ne2k_pci_driver } from '../../driver/ne2k/main.ts';
import { ringside_driver } from '../../driver/ringside/main.ts';
import { copy_places } from '../../kernel/copies.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { sockopt } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import type { Experiment } from './experiment.ts';
import { plot } from './plot.ts';
import { textTable } from './table.ts';

export interface CopyPoint {
  readonly scenario: string;
  readonly host: 'sender' | 'receiver';
  /** A name of kernel/copies.ts; or 'dma', which costs the CPU nothing; or 'clone', which copies nothing. */
  readonly place: string;
  /** The Linux function. */
  readonly where: string;
  /** Per message that a program sent. */
  readonly copies: number;
  readonly bytes: number;
}

export interface CopyScenario {
  readonly name: string;
  readonly what: string;
  /** Bytes of each message, and into datagrams of which size UDP_SEGMENT cuts it. */
  readonly payload: number;
  readonly segment?: number;
  readonly model?: 'ringside' | 'ne2000';
  /** A packet socket listens on both hosts. */
  readonly tap?: boolean;
  /** Over one TCP connection, opened before anything is counted. */
  readonly tcp?: boolean;
}

export const copyScenarios: readonly CopyScenario[] = [
  { name: 'udp-small', what: 'UDP, 18 bytes: copybreak', payload: 18 },
  { name: 'udp-large', what: 'UDP, 1400 bytes: the receive buffer goes up as it is', payload: 1400 },
  { name: 'udp-tapped', what: 'UDP, 1400 bytes, a packet socket on both hosts', payload: 1400, tap: true },
  { name: 'udp-segment', what: 'UDP_SEGMENT, 14000 bytes in datagrams of 1400', payload: 14_000, segment: 1400 },
  { name: 'udp-fragments', what: 'UDP, 4000 bytes, in three fragments', payload: 4000 },
  { name: 'tcp-small', what: 'TCP, 18 bytes: copybreak', payload: 18, tcp: true },
  { name: 'tcp-large', what: 'TCP, 1400 bytes in one segment', payload: 1400, tcp: true },
  { name: 'tcp-bulk', what: 'TCP, 28960 bytes in 20 segments, which the card cuts (TSO)', payload: 28_960, tcp: true },
  { name: 'ne2000-small', what: 'UDP, 18 bytes, between two NE2000s', payload: 18, model: 'ne2000' },
  { name: 'ne2000-large', what: 'UDP, 1400 bytes, between two NE2000s', payload: 1400, model: 'ne2000' },
];

const PORT = 9;
const MESSAGES = 100;
const SENDER = '10.1.0.1';
const RECEIVER = '10.1.0.2';
const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** Between two messages: long enough for each to be alone on its way. */
const PAUSE_NS = 20_000_000;
/** Messages over a new connection before counting begins. */
const WARM_UP = 40;

/** Counts on one host. */
class Counter {
  readonly copies = new Map<string, { where: string; count: number; bytes: number }>();

  constructor(host: Host) {
    const { trace } = host.kernel;
    trace.copy = (place, length) => {
      const { name, where } = copy_places[place] as (typeof copy_places)[number];
      this.note(name, where, length);
    };
    trace.skb_clone = () => this.note('clone', 'skb_clone', 0);
    const [{ nic }] = host.cards as [Plugged];
    // An NE2000 has no bus master.
    if (!(nic instanceof Nic)) return;
    nic.trace.rx_dma = (_id, _queue, _index, _address, length) => this.note('dma', 'card to receive buffer', length);
    nic.trace.tx_start = (_id, length) => this.note('dma', 'packet to card', length);
  }

  private note(place: string, where: string, length: number): void {
    const entry = this.copies.get(place) ?? { where, count: 0, bytes: 0 };
    entry.count++;
    entry.bytes += length;
    this.copies.set(place, entry);
  }
}

function* send(sys: Syscalls, { payload, segment }: CopyScenario, result: { errno: number; sent: number }): Program {
  const fd = yield* sys.socket(2, 2, 0);
  yield* sys.connect(fd, sys.sockaddr(in_aton(RECEIVER), PORT));
  if (segment !== undefined) {
    const option = new sockopt();
    option.value = segment;
    yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, option);
  }
  const buffer = sys.mmap(65_536);
  for (let i = 0; i < MESSAGES; i++) {
    const n = yield* sys.send(fd, buffer, payload, 0);
    if (n < 0) {
      result.errno = -n;
      return 1;
    }
    result.sent++;
    yield* sys.nanosleep(PAUSE_NS);
  }
  return 0;
}

function* receive(sys: Syscalls, result: { bytes: number }): Program {
  const fd = yield* sys.socket(2, 2, 0);
  yield* sys.bind(fd, sys.sockaddr(0, PORT));
  const buffer = sys.mmap(65_536);
  for (;;) result.bytes += yield* sys.recvfrom(fd, buffer, 65_536, 0, null);
}

function* sendStream(sys: Syscalls, payload: number, result: { errno: number; sent: number }): Program {
  const fd = yield* sys.socket(2, 1, 0);
  yield* sys.connect(fd, sys.sockaddr(in_aton(RECEIVER), PORT));
  const buffer = sys.mmap(65_536);
  // Until counting begins: slow start shall not cut what fits one packet later.
  for (let i = 0; i < WARM_UP; i++) {
    for (let done = 0; done < payload; ) done += yield* sys.send(fd, buffer, payload - done, 0);
    yield* sys.nanosleep(PAUSE_NS);
  }
  for (let i = 0; i < MESSAGES; i++) {
    const n = yield* sys.send(fd, buffer, payload, 0);
    if (n !== payload) {
      result.errno = n < 0 ? -n : 1;
      return 1;
    }
    result.sent++;
    yield* sys.nanosleep(PAUSE_NS);
  }
  // The end of the connection is not counted.
  for (;;) yield* sys.nanosleep(1_000_000_000);
}

function* receiveStream(sys: Syscalls, result: { bytes: number }): Program {
  const listener = yield* sys.socket(2, 1, 0);
  yield* sys.bind(listener, sys.sockaddr(0, PORT));
  yield* sys.listen(listener, 1);
  const fd = yield* sys.accept(listener, null);
  const buffer = sys.mmap(65_536);
  for (;;) result.bytes += yield* sys.recv(fd, buffer, 65_536, 0);
}

function* listen(sys: Syscalls): Program {
  const fd = yield* sys.socket(17, 3, 0x0003);
  const buffer = sys.mmap(2048);
  for (;;) yield* sys.recvfrom(fd, buffer, 2048, 0, null);
}

/** One scenario: the copies on both hosts, per message. */
export function copyPoints(scenario: CopyScenario, seed: number): CopyPoint[] {
  const { model = 'ringside', payload, name, tap, tcp = false } = scenario;
  const world = new World({ seed, checks: false });
  const hosts = MACS.map((mac, i) =>
    world.addHost({
      name: i === 0 ? 'sender' : 'receiver',
      costs: true,
      drivers: [ringside_driver, ne2k_pci_driver],
      nics: [{ mac: parseMac(mac), model, memory: 16384, rate: model === 'ne2000' ? 10_000_000 : 1_000_000_000 }],
    }),
  ) as [Host, Host];
  const [left, right] = hosts;
  world.connect((left.cards as [Plugged])[0], (right.cards as [Plugged])[0]);
  const dev = left.up('eth0', in_aton(SENDER), 24);
  right.up('eth0', in_aton(RECEIVER), 24);
  const { arp } = left.kernel.init_net.ipv4;
  left.exec(() => neigh_add(arp, in_aton(RECEIVER), dev, parseMac(MACS[1]), NUD_PERMANENT));
  if (tap === true) for (const host of hosts) host.spawn('tap', sys => listen(sys));
  const got = { bytes: 0 };
  const sent = { errno: 0, sent: 0 };
  right.spawn('receiver', sys => (tcp ? receiveStream(sys, got) : receive(sys, got)));
  world.sim.run(world.sim.time + PAUSE_NS);
  if (tcp) {
    left.kernel.init_net.ipv4.tcp_slow_start_after_idle = 0;
    left.spawn('sender', sys => sendStream(sys, payload, sent));
    // Half a pause past the last one that is not counted.
    world.sim.run(world.sim.time + (WARM_UP - 0.5) * PAUSE_NS);
  }
  const before = got.bytes;
  const counters = hosts.map(host => new Counter(host));
  if (!tcp) left.spawn('sender', sys => send(sys, scenario, sent));
  world.sim.run(world.sim.time + (MESSAGES + 2) * PAUSE_NS);
  if (sent.errno !== 0 || sent.sent !== MESSAGES || got.bytes - before !== MESSAGES * payload) {
    throw new Error(`${name}: errno ${sent.errno}, ${sent.sent} messages sent, ${got.bytes - before} bytes received`);
  }
  return counters.flatMap((counter, i) =>
    [...counter.copies].map(([place, { where, count, bytes }]) => ({
      scenario: name,
      host: i === 0 ? ('sender' as const) : ('receiver' as const),
      place,
      where,
      copies: count / MESSAGES,
      bytes: bytes / MESSAGES,
    })),
  );
}

const number = (value: number): string => String(Number(value.toFixed(2)));

function table(points: readonly CopyPoint[]): string {
  const lines: string[] = [];
  for (const { name, what } of copyScenarios) {
    const rows = points
      .filter(({ scenario }) => scenario === name)
      .map(({ host, place, where, copies, bytes }) => [host, place, where, number(copies), number(bytes)]);
    if (rows.length === 0) continue;
    lines.push(`${name}: ${what}`, ...textTable(['host', 'place', 'function', 'times', 'bytes'], rows, 3), '');
  }
  return lines.join('\n').trimEnd();
}

/** Bytes that the CPUs copied over bytes that the program sent, by scenario, in the order of the table. */
function figure(points: readonly CopyPoint[]): string {
  const shown = copyScenarios.filter(({ name }) => points.some(({ scenario }) => scenario === name));
  const series = (['sender', 'receiver'] as const).map(host => ({
    name: `copies on the ${host}`,
    points: shown.map(({ name, payload }, i) => {
      const mine = points.filter(point => point.scenario === name && point.host === host && point.place !== 'dma');
      return [i, mine.reduce((sum, { bytes }) => sum + bytes, 0) / payload] as const;
    }),
  }));
  const categories = shown.map(({ name }) => name);
  return plot(series, { title: 'Bytes copied by the CPU, per byte sent', x: '', y: 'bytes', categories });
}

export const copies: Experiment<CopyPoint> = {
  name: 'copies',
  summary: 'where each packet is copied, and how often, on its way from one program to another',
  shape: 'a list of {scenario, host, place, where, copies, bytes}, copies and bytes per message',
  plotted: 'bytes copied by the CPU per byte sent, by scenario',
  defaultMs: 1,
  help: `
A program on one host sends ${MESSAGES} messages, one at a time, to a program on another. Listed is every place where bytes of
packets were copied, times and bytes per message: by the CPU (kernel/copies.ts), by the card (dma: it costs the CPU
nothing), and where a second sk_buff over the same bytes was made (clone: no byte is copied). --ms has no effect.`,
  run({ seed }, progress) {
    return copyScenarios.flatMap(scenario => {
      progress(scenario.name);
      return copyPoints(scenario, seed);
    });
  },
  table,
  figure,
};
