/** `ringside start`: two hosts on a wire, a ping and a few datagrams, each stage of their way, and what is left. */

import type { Command } from 'commander';
import { onInterrupt } from '../cli/interrupt.ts';
import type { RegisterCommand } from '../cli/main.ts';
import { parseSeed } from '../cli/options.ts';
import { DEFAULT_RATE, type Host } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { formatMac } from '../packet/address.ts';
import { Pacer } from '../sim/pace.ts';
import { EventOrder, type TraceEvent } from '../trace/event.ts';
import { journeyOf } from '../trace/journey.ts';
import { COLUMNS, JourneyLines, oneLine, paint, wantsColor } from '../trace/lines.ts';
import { formatStatus, type HostStatus, hostStatus } from '../trace/status.ts';
import { Tracer } from '../trace/tracer.ts';
import { address, ping, udpEcho, udpSend } from '../user/index.ts';

export interface StartOptions {
  readonly once?: boolean;
  readonly seed: number;
  readonly json?: boolean;
  readonly hash?: boolean;
}

const PREFIX = 24;
const HOSTS = [
  { name: 'left', ip: '10.0.0.1', mac: Uint8Array.of(2, 0, 0, 0, 0, 1) },
  { name: 'right', ip: '10.0.0.2', mac: Uint8Array.of(2, 0, 0, 0, 0, 2) },
] as const;
const [LEFT, RIGHT] = HOSTS;
const ECHO_PORT = 7;
const PINGS = 3;
const MESSAGES = ['hello, ring', 'a second datagram', 'x'.repeat(1000)];
/** No program of ours needs longer, in simulated ns. */
const PATIENCE_NS = 60_000_000_000;
/** A little more than a card and a kernel need to come to rest after a program has ended. */
const REST_NS = 1_000_000;
const LIVE_BATCH_MS = 100;

/** What `start` shows, and the parts that a test may look at. */
export class Demo {
  readonly world: World;
  readonly left: Host;
  readonly right: Host;
  readonly tracer: Tracer;
  private readonly order = new EventOrder();

  constructor(options: { readonly seed: number; readonly hash?: boolean }) {
    this.world = new World({ seed: options.seed, hash: options.hash ?? false });
    const [left, right] = HOSTS.map(({ name, mac }) => this.world.addHost({ name, costs: true, nics: [{ mac }] }));
    const [a, b] = [left?.cards[0], right?.cards[0]];
    if (left === undefined || right === undefined || a === undefined || b === undefined) throw new Error('no hosts');
    this.left = left;
    this.right = right;
    this.world.connect(a, b);
    left.up('eth0', address(LEFT.ip), PREFIX);
    right.up('eth0', address(RIGHT.ip), PREFIX);
    this.tracer = new Tracer(this.world, event => this.order.push(event));
  }

  /** Events since the last time, in order. */
  events(): TraceEvent[] {
    return this.order.take(this.world.sim.time);
  }

  /** Runs a program on the left host to its end, and until all is quiet. Gives what was traced meanwhile. */
  run(comm: string, program: Parameters<Host['spawn']>[1]): TraceEvent[] {
    const { sim } = this.world;
    const { sched } = this.left.kernel;
    const task = this.left.spawn(comm, program);
    const limit = sim.time + PATIENCE_NS;
    while (sched.tasks.has(task.pid) && sim.next() <= limit) sim.step();
    if (task.exit_error !== null) throw task.exit_error;
    if (sched.tasks.has(task.pid)) throw new Error(`${comm} does not come to an end`);
    sim.run(sim.time + REST_NS);
    return this.events();
  }

  /** The programs' output, by line. */
  ping(count: number, output: (line: string) => void): TraceEvent[] {
    return this.run('ping', ping({ destination: RIGHT.ip, count, interval: 1000 }, output));
  }

  datagrams(output: (line: string) => void): TraceEvent[] {
    this.right.spawn('udpecho', udpEcho(ECHO_PORT));
    const answer = (data: Uint8Array): void => output(`answer of ${data.length} bytes: ${shorten(data)}`);
    const to = { address: RIGHT.ip, port: ECHO_PORT };
    return this.run('udpsend', udpSend({ to, messages: MESSAGES, wait: 1000, answer }, output));
  }

  status(): HostStatus[] {
    return this.world.hosts.map(hostStatus);
  }
}

function shorten(data: Uint8Array): string {
  const text = new TextDecoder().decode(data);
  return text.length > 30 ? `${text.slice(0, 27)}…` : text;
}

const isWire = (event: TraceEvent): boolean => event.layer === 'wire';

/** Stages that only repeat what their neighbours say: enough is left to read. */
const SKIPPED: ReadonlySet<string> = new Set([
  'tx_start',
  'tx_done',
  'raise_softirq',
  'ip_rcv_finish',
  'sk_data_ready',
  'napi_complete_done',
  'rx_filter',
  'validate_xmit_skb',
  'dma_map_single',
  'dma_sync_single_for_cpu',
  'dma_unmap_single',
]);

function isShown({ stage, text }: TraceEvent): boolean {
  if (SKIPPED.has(stage)) return false;
  if (stage === 'irq') return text.includes('asserted');
  if (stage === 'consume_skb') return text.startsWith('sent');
  return !(stage === 'skb_put_data' && text.includes('program'));
}

class Report {
  private readonly color: boolean;
  private readonly print: (text: string) => void;

  constructor(color: boolean, print: (text: string) => void) {
    this.color = color;
    this.print = print;
  }

  lines(...lines: readonly string[]): void {
    this.print(`${lines.join('\n')}\n`);
  }

  heading(text: string): void {
    this.lines('', paint(this.color, '1;4', text));
  }

  boot(demo: Demo): void {
    this.lines(
      paint(
        this.color,
        '1',
        'Ringside: two machines in a simulation, each with a network card, its driver and a kernel.',
      ),
    );
    this.heading('The machines');
    demo.world.hosts.forEach((host, index) => {
      const config = HOSTS[index];
      for (const { slot, mac, line } of host.cards) {
        const name = `${host.name.padEnd(6)} ${config?.ip}/${PREFIX}`;
        this.lines(`  ${name}  eth0 ${formatMac(mac)}, 4 KiB of packet memory, PCI ${slot.slot}, irq ${line}`);
      }
    });
    this.lines(`  wire0  between their cards: ${DEFAULT_RATE / 1e6} Mbit/s, 500 ns long`);
  }

  text(...lines: readonly string[]): void {
    this.lines(...lines.map(line => `  ${line}`));
  }

  /** One packet stage by stage, then the rest of `events` as frames on the wire, then what the program printed. */
  journey(root: number, events: readonly TraceEvent[], output: readonly string[]): void {
    const { color } = this;
    const journey = journeyOf(root, events);
    const lines = new JourneyLines({ color }).format(journey.events.filter(isShown));
    this.lines(paint(color, '2', COLUMNS), ...lines.filter(line => line !== ''));
    const others = events.filter(event => isWire(event) && !journey.packets.has(event.packet));
    if (others.length > 0) {
      this.lines('', '  The other frames on the wire:', ...others.map(event => oneLine(event, { color })));
    }
    this.lines('', ...output.filter(line => line !== '').map(line => `  │ ${line}`));
  }

  summary(status: readonly HostStatus[]): void {
    for (const host of status) {
      this.heading(`What ${host.name} looks like now`);
      this.lines(...formatStatus(host));
    }
  }

  verdict(demo: Demo, hash: boolean): void {
    const { world } = demo;
    const findings = world.finish();
    this.heading('Detectors');
    const found = findings.map(({ detector, message }) => `  ${detector}: ${message}`);
    this.lines(...(found.length === 0 ? ['  No leak, no misuse of DMA, descriptors or interrupts.'] : found));
    if (world.violationCount > 0) this.lines(`  ${world.violationCount} misuses of the card by its driver`);
    if (hash) this.lines(`  run hash ${world.hash?.digest() ?? ''}`);
    this.heading('The real Linux instead of the left one');
    this.lines(
      '  as root:       ringside attach tap --netns play',
      '  without root:  unshare -Urn ringside attach tap',
      '  Then ping 10.9.0.2 with the line that it prints; more in docs/real-linux.md.',
    );
  }
}

const firstOf = (events: readonly TraceEvent[], stage: string): number =>
  events.find(event => event.stage === stage)?.packet ?? 0;

function judge(demo: Demo): void {
  if (demo.world.findings.length > 0 || demo.world.violationCount > 0) process.exitCode = 1;
}

/** The whole of it, as text. */
export function runStart(demo: Demo, color: boolean, print: (text: string) => void): void {
  const report = new Report(color, print);
  report.boot(demo);

  report.heading(`${LEFT.name} pings ${RIGHT.name}: the first request and its answer, stage by stage`);
  report.text(
    'Down through the kernel to the driver, out by the card, over the wire, into the other card’s packet memory, by DMA',
    'into RAM, up from the interrupt; #2<1: packet 2 exists because of packet 1. The address is asked for on the way.',
  );
  const pingOutput: string[] = [];
  const pinged = demo.ping(PINGS, line => pingOutput.push(line));
  report.journey(firstOf(pinged, 'ping_sendmsg'), pinged, pingOutput);

  report.heading(`${LEFT.name} sends datagrams to the echo server on ${RIGHT.name}, port ${ECHO_PORT}: the first one`);
  report.text('The same way, but to a program: it sleeps in recvfrom() until its socket has something for it.');
  const sendOutput: string[] = [];
  const sent = demo.datagrams(line => sendOutput.push(line));
  report.journey(firstOf(sent, 'udp_sendmsg'), sent, sendOutput);

  report.summary(demo.status());
}

/** The same, as one object. */
export function startJson(demo: Demo): object {
  const ping: string[] = [];
  const datagrams: string[] = [];
  const frames = [...demo.ping(PINGS, line => ping.push(line)), ...demo.datagrams(line => datagrams.push(line))]
    .filter(isWire)
    .map(({ time, host, packet, parent, text }) => ({ time, wire: host, packet, parent, text }));
  const hosts = demo.status();
  const { world } = demo;
  const time = world.sim.time;
  const findings = world.finish();
  const hash = world.hash?.digest();
  return {
    seed: world.seed,
    time,
    hosts,
    frames,
    output: { ping, datagrams },
    findings,
    violations: world.violationCount,
    ...(hash === undefined ? {} : { hash }),
  };
}

/** Goes on in step with real time, a ping a second and a line a frame, until interrupted. */
async function stayAlive(demo: Demo, color: boolean, print: (text: string) => void): Promise<void> {
  const report = new Report(color, print);
  report.heading(`It goes on, in real time: ${LEFT.name} pings ${RIGHT.name} once a second. Ctrl-C ends it.`);
  const pacer = new Pacer(demo.world.sim);
  const show = (): void => {
    const frames = demo.events().filter(isWire);
    if (frames.length > 0) report.lines(...frames.map(event => oneLine(event, { color })));
  };
  const timer = setInterval(show, LIVE_BATCH_MS);
  onInterrupt(() => {
    clearInterval(timer);
    pacer.stop();
    show();
    report.summary(demo.status());
    report.verdict(demo, false);
  });
  demo.left.spawn(
    'ping',
    ping({ destination: RIGHT.ip }, () => {}),
  );
  await pacer.run();
}

const HELP = `
Boots two hosts on a wire, has the left one ping the right one and send datagrams to its echo server, and prints the way
of the first packet of each kind: a line a stage, with simulated time, where it is, the packet's number (#2<1: packet 2
exists because of packet 1), the Linux function or the card's stage, and what happens. Then each host's registers, rings,
interrupts and counters. CPU time is charged by the cost model.

On a terminal it goes on, paced to real time, until Ctrl-C; with --once, or when standard output is no terminal, it ends.

Exit status: 0; 1 when a detector found a leak or a misuse; 2 when used wrongly.`;

export const registerStart: RegisterCommand = (program: Command) => {
  program
    .command('start')
    .description('boot two hosts on a wire and show how their packets get there')
    .option('--once', 'end after the summary, on a terminal too')
    .option('--seed <n>', 'seed of all chance', parseSeed, 1)
    .option('--hash', 'print the run hash')
    .option('--json', 'print the summary as one JSON object, and end')
    .addHelpText('after', HELP)
    .action(async (options: StartOptions) => {
      const isTerminal = process.stdout.isTTY === true;
      const color = wantsColor();
      const print = (text: string): void => void process.stdout.write(text);
      const demo = new Demo(options);
      if (options.json === true) {
        print(`${JSON.stringify(startJson(demo), null, 1)}\n`);
        judge(demo);
        return;
      }
      runStart(demo, color, print);
      if (isTerminal && options.once !== true) {
        await stayAlive(demo, color, print);
        return;
      }
      new Report(color, print).verdict(demo, options.hash === true);
      judge(demo);
    });
};
