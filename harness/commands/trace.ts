/** `ringside trace FILE`: puts our host in the place of one that took part in a capture, and shows each packet's way. */

import { existsSync, realpathSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../cli/errors.ts';
import { loadCapture } from '../cli/input.ts';
import type { RegisterCommand } from '../cli/main.ts';
import { type HostAddress, parseCount, parseFilter, parseHost, parseSeed } from '../cli/options.ts';
import { checkOutput, writeOutput } from '../cli/output.ts';
import type { FrameFilter } from '../filter/filter.ts';
import { DEFAULT_RATE } from '../machine/host.ts';
import { formatMac, parseMac } from '../packet/address.ts';
import { describeFrame } from '../packet/describe.ts';
import { formatCounters } from '../trace/counters.ts';
import type { TraceEvent } from '../trace/event.ts';
import { Kinship, Surroundings } from '../trace/journey.ts';
import { LANES_HEADING, LaneLines } from '../trace/lanes.ts';
import { COLUMNS, JourneyLines, paint, wantsColor } from '../trace/lines.ts';
import { HOST_NAME, originOf, type ReplayConfig, type ReplayResult, replay, type SentFrame } from '../trace/replay.ts';
import { formatCounts } from '../trace/status.ts';
import type { Capture } from '../wire/pcap/capture.ts';
import { PcapngWriter } from '../wire/pcap/write.ts';

export interface TraceOptions {
  readonly as: HostAddress;
  readonly peer?: string;
  readonly out?: string;
  readonly seed: number;
  readonly json?: boolean;
  readonly rate: number | 'instant';
  /** KiB */
  readonly memory: number;
  readonly costs?: boolean;
  readonly hash?: boolean;
  readonly limit?: number;
  readonly filter?: FrameFilter;
  /** Only this packet and its kin. */
  readonly packet?: number;
  readonly drops?: boolean;
  readonly lanes?: boolean;
  readonly counters?: boolean;
  readonly boot?: boolean;
}

const RATE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** `10M`, `1000M`, `2.5G`, `instant`: bit/s. */
export function parseRate(text: string): number | 'instant' {
  if (text === 'instant') return text;
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text) ?? [];
  const rate = Number(digits) * (RATE_UNITS[unit.toLowerCase()] ?? 0);
  if (!(rate >= 1e6 && rate <= 400e9)) {
    throw new InvalidArgumentError('A rate is 1M to 400G (bit/s), for example 10M, 1000M, 2.5G; or instant.');
  }
  return rate;
}

export function parseMemory(text: string): number {
  if (text !== '4' && text !== '16') throw new InvalidArgumentError('It must be 4 or 16.');
  return Number(text);
}

function parsePeer(text: string): string {
  try {
    return formatMac(parseMac(text));
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

const HIDDEN = Infinity;
const NONE: readonly TraceEvent[] = [];

/**
 * Lets pass what belongs to the first `limit` packets from the wire, and what lies between them; with a filter, to
 * the first that match, and nothing between.
 */
class Selection {
  private readonly limit: number;
  private readonly filter: FrameFilter | undefined;
  private readonly matching = new Set<number>();
  private readonly roots = new Set<number>();
  private readonly parents = new Map<number, number>();

  constructor(limit: number, filter: FrameFilter | undefined) {
    this.limit = limit;
    this.filter = filter;
  }

  /** Before the first event of the packet. */
  frame(packet: number, frame: Uint8Array): void {
    if (this.filter?.(frame) === true) this.matching.add(packet);
  }

  private place(packet: number, parent: number): number {
    if (parent !== 0) return this.parents.get(parent) ?? HIDDEN;
    if (this.filter !== undefined && !this.matching.has(packet)) return HIDDEN;
    this.roots.add(packet);
    return this.roots.size;
  }

  pick(event: TraceEvent): readonly TraceEvent[] {
    return this.passes(event) ? [event] : NONE;
  }

  private passes(event: TraceEvent): boolean {
    const { packet, parent } = event;
    if (packet === 0) return this.filter === undefined && this.roots.size <= this.limit;
    const place = this.parents.get(packet) ?? this.place(packet, parent);
    this.parents.set(packet, place);
    return place !== HIDDEN && place <= this.limit;
  }
}

/** Lets pass one packet, what it came of and what came of it, and the interrupts and polls that it came out of. */
class KinSelection {
  private readonly kin: ReadonlySet<number>;
  private readonly surroundings = new Surroundings();

  constructor(kin: ReadonlySet<number>) {
    this.kin = kin;
  }

  pick(event: TraceEvent): readonly TraceEvent[] {
    if (event.packet === 0) return this.surroundings.around(event);
    if (this.kin.has(event.packet)) return [...this.surroundings.before(event), event];
    this.surroundings.foreign(event);
    return NONE;
  }
}

/**
 * The kin of a packet: known at the end of a run only, so there is a run for it. It is the same run, as every one with
 * the same capture, options and seed.
 */
function kinOf(capture: Capture, config: ReplayConfig, packet: number): ReadonlySet<number> {
  const kinship = new Kinship();
  const onEvents = (events: readonly TraceEvent[]): void => {
    for (const event of events) kinship.note(event);
  };
  replay(capture, { ...config, hash: false, onEvents });
  if (!kinship.has(packet)) throw new UsageError(`--packet ${packet}: there is no such packet in this run`);
  return kinship.kinOf(packet);
}

/** The journeys go to `print` as the run goes on; the summary is the caller's. */
export function runTrace(
  capture: Capture,
  options: TraceOptions,
  color: boolean,
  print: (text: string) => void,
): ReplayResult {
  const origin = originOf(capture);
  const config: ReplayConfig = {
    host: options.as,
    ...(options.peer === undefined ? {} : { peer: options.peer }),
    seed: options.seed,
    rate: options.rate,
    memory: options.memory * 1024,
    costs: options.costs ?? false,
    hash: options.hash ?? false,
    boot: options.boot ?? false,
  };
  const lines = options.lanes === true ? new LaneLines({ color, origin }) : new JourneyLines({ color, origin });
  const byLimit = new Selection(options.limit ?? Infinity, options.filter);
  const selection = options.packet === undefined ? byLimit : new KinSelection(kinOf(capture, config, options.packet));
  const onEvents = (events: readonly TraceEvent[]): void => {
    if (options.counters === true) return;
    const picked = events.flatMap(event => selection.pick(event));
    const shown = options.drops === true ? picked.filter(({ drop }) => drop !== '') : picked;
    if (shown.length === 0) return;
    const texts = options.json
      ? shown.map(event => JSON.stringify({ ...event, time: event.time - origin }))
      : lines.format(shown).filter(line => line !== '' || options.drops !== true);
    if (texts.length > 0) print(`${texts.join('\n')}\n`);
  };
  return replay(capture, { ...config, onEvents, onFrame: (packet, frame) => byLimit.frame(packet, frame) });
}

/** What we sent, as a capture. */
export function sentCapture(capture: Capture, result: ReplayResult, options: TraceOptions): Uint8Array {
  const writer = new PcapngWriter({
    epochNs: capture.epochNs,
    application: 'ringside trace',
    comment: `What ${options.as.ip} (${options.as.mac}) sent; seed ${options.seed}`,
  });
  const wire = writer.addInterface('wire0');
  result.sent.forEach((frame, index) => {
    const { comparison } = result;
    const notes = [
      `packet #${frame.packet}${frame.parent === 0 ? '' : `, because of #${frame.parent}`}`,
      (comparison.pairs[index] ?? -1) < 0 ? 'no such frame in the capture' : "equal to the capture's",
      ...(frame.wireLength > frame.data.length ? [`padded to ${frame.wireLength} bytes on the wire`] : []),
    ];
    writer.addFrame(wire, frame.timeNs, frame.data, { direction: 'outbound', comment: notes.join('; ') });
  });
  return writer.bytes();
}

function isSameFile(a: string, b: string): boolean {
  return existsSync(b) && realpathSync(a) === realpathSync(b);
}

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(6)} s`;

/** The last part of the text: what was sent, and the figures. */
export function summaryLines(result: ReplayResult, options: TraceOptions, color: boolean): string[] {
  const { sent, comparison, status, findings } = result;
  const heading = (text: string): string => paint(color, '1', text);
  const line = (label: string, text: string): string => `  ${label.padEnd(14)} ${text}`;
  const mark = (frame: SentFrame, index: number): string =>
    `  ${seconds(frame.timeNs).padStart(14)} ${`#${frame.packet}`.padEnd(6)} ${(comparison.pairs[index] ?? -1) < 0 ? '≠' : '='} ${describeFrame(frame.data)}`;
  const shown = sent.slice(0, options.limit ?? Infinity);
  const [card] = status.cards;
  const fed = [
    `${result.fed} fed`,
    `${result.answered} answered`,
    ...(result.overflow > 0 ? [`${result.overflow} lost before the wire: its queue was full`] : []),
    ...(result.unusable > 0 ? [`${result.unusable} of the file not usable: cut short`] : []),
  ];
  return [
    ...(options.counters === true ? ['', heading('Stages'), ...formatCounters(result.counters)] : []),
    '',
    heading(`What we sent (${sent.length}; = as in the capture, ≠ not in the capture)`),
    ...shown.map(mark),
    ...(shown.length < sent.length ? [`  … and ${sent.length - shown.length} more`] : []),
    '',
    heading('Summary'),
    line('frames', fed.join(', ')),
    line(
      'answers',
      `${comparison.equal} of ${comparison.theirs} answers equal the capture's (identification and IP header checksum aside); we sent ${comparison.ours}`,
    ),
    line('card drops', formatCounts(result.cardDrops)),
    line('kernel drops', formatCounts(status.drops)),
    line('card counters', formatCounts(card?.counters ?? {})),
    line('interrupts', status.interrupts.map(({ irq, counts }) => `${irq}: ${counts.join(' ')}`).join(', ')),
    line('detectors', findings.length === 0 ? 'nothing found' : `${findings.length} found`),
    ...findings.map(({ detector, message, time }) => `    ${seconds(time)} ${detector}: ${message}`),
    line('violations', result.violations === 0 ? 'none' : `${result.violations} by the driver`),
    line('simulated', `${seconds(result.duration)}, seed ${options.seed}`),
    ...(result.hash === undefined ? [] : [line('run hash', result.hash)]),
  ];
}

function summaryObject(result: ReplayResult, options: TraceOptions): object {
  const { fed, answered, unusable, overflow, sent, comparison, status, cardDrops, findings, violations } = result;
  return {
    summary: {
      fed,
      answered,
      unusable,
      overflow,
      sent: sent.map((frame, index) => ({
        time: frame.timeNs,
        packet: frame.packet,
        parent: frame.parent,
        length: frame.data.length,
        text: describeFrame(frame.data),
        equal: (comparison.pairs[index] ?? -1) >= 0,
      })),
      ours: comparison.ours,
      theirs: comparison.theirs,
      equal: comparison.equal,
      cardDrops,
      kernelDrops: status.drops,
      cardCounters: status.cards[0]?.counters ?? {},
      counters: result.counters,
      findings,
      violations,
      duration: result.duration,
      seed: options.seed,
      ...(result.hash === undefined ? {} : { hash: result.hash }),
    },
  };
}

const HELP = `
Our host (${HOST_NAME}) takes the place of the one whose address --as gives: every frame of the capture that another
station sent comes in at its own time, by a wire, our card, our driver, up to a socket; what we send in turn is compared
with what that host sent. Stations of our network that send in the capture are permanent neighbours of ours, unless that
host asked for them: a recording answers no new question.

A line is one stage of a packet's way: simulated time since the capture's first frame, where, the packet (#2<1: packet 2
exists because of packet 1), the Linux function or the card's stage, and what happens. Lines without a packet are what
happens between: interrupts, softirqs, polls.

With --filter, the journeys of those packets that came from the wire and match are printed, with those of the packets
they cause; --limit counts them. All frames are fed and the run is the same. The list of what we sent and the summary
stay whole. The expressions are those of tcpdump (pcap-filter(7)), but names of hosts and networks are not looked up.

With --packet, one packet (its number as printed), what it came of and what came of it: clones, fragments, segments,
answers; and the interrupts and polls that it came out of. With --drops, only the ends of packets that were dropped:
reason and stage. With --lanes, one column for each layer instead of what happens. With --boot, what comes before the
first packet, at negative times. With --counters, nothing but figures for each stage: for long runs. Every stage, with
its source and test, is in docs/packet-path.md.

With --json, one object a line: {time, sequence, host, cpu, stage, layer, packet, parent, skb, text, length, drop,
where, location}; time in ns since the capture's first frame, cpu -1 where none ran, layer the lane; packet, parent and
skb 0 for none; length in bytes without FCS; drop '' unless the packet ends there, with SKB_DROP_REASON's name or the
card's, where the stage that it ended in, location the function (or the card's slot). The last line is
{"summary": {…}}; its "counters" are a list of {host, stage, lane, section, seen, bytes, dropped, drops: {reason: n}}.

Exit status: 0; 1 when a detector found a leak or a misuse; 2 when used wrongly.

Example:
  ringside trace ping4.pcap --as 02:00:00:00:00:02,10.1.0.2/24 --out answers.pcapng`;

export const registerTrace: RegisterCommand = (program: Command) => {
  program
    .command('trace')
    .description('feed a capture to our card and print the journey of each packet')
    .argument('<file>', 'pcap or pcapng, Ethernet')
    .requiredOption('--as <host>', 'who we are: MAC,IP/PREFIX', parseHost)
    .option('--peer <mac>', 'feed only the frames of this station (default: of all but us)', parsePeer)
    .option('--out <file>', 'write what we sent, as pcapng')
    .option('--seed <n>', 'seed of all chance', parseSeed, 1)
    .addOption(
      new Option('--rate <rate>', "the link's rate, in bit/s: 10M, 1000M, 2.5G, instant")
        .argParser(parseRate)
        .default(DEFAULT_RATE, '1000M'),
    )
    .option('--memory <KiB>', 'packet memory of the card: 4 or 16', parseMemory, 4)
    .option('--costs', 'charge CPU time (the cost model); without it the kernel takes no time')
    .option('--limit <n>', 'print the journeys of the first n packets only (all are fed)', parseCount)
    .option(
      '--filter <expression>',
      "print the journeys of the packets that match only: tcpdump's expressions",
      parseFilter,
    )
    .option('--packet <id>', 'print the journey of this packet and its kin only', parseCount)
    .option('--drops', 'print dropped packets only: where and why')
    .option('--lanes', 'print lanes: one column for each layer')
    .option('--counters', 'print counters for each stage instead of journeys')
    .option('--boot', 'print what comes before the first packet, too: probe, rings, interrupt, poll')
    .option('--hash', 'print the run hash: the same for the same file, options and seed')
    .option('--json', 'print JSON lines instead of text')
    .addHelpText('after', HELP)
    .action((file: string, options: TraceOptions) => {
      if (options.peer === options.as.mac) {
        throw new UsageError(`--peer ${options.peer} is the host that --as makes us: nothing would be fed`);
      }
      const capture = loadCapture(file);
      if (options.out !== undefined) {
        checkOutput(options.out);
        if (isSameFile(file, options.out)) throw new UsageError(`${options.out}: is the capture that is read`);
      }
      const color = options.json !== true && wantsColor();
      const print = (text: string): void => void process.stdout.write(text);
      if (options.json !== true) {
        const to = options.peer === undefined ? '' : ` from ${options.peer}`;
        print(`${file}: ${capture.frames.length} frames; we are ${options.as.ip} (${options.as.mac})${to}\n`);
        if (options.counters !== true)
          print(`${paint(color, '2', options.lanes === true ? LANES_HEADING : COLUMNS)}\n`);
      }
      const result = runTrace(capture, options, color, print);
      if (options.out !== undefined) writeOutput(options.out, sentCapture(capture, result, options));
      if (options.json === true) print(`${JSON.stringify(summaryObject(result, options))}\n`);
      else print(`${summaryLines(result, options, color).join('\n')}\n`);
      if (result.findings.length > 0 || result.violations > 0) process.exitCode = 1;
    });
};
