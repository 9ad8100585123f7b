/** `ringside attach`: one of our hosts at the other end of a wire to the real Linux, live or from a recording. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { forLongRuns } from '../cli/engine.ts';
import { JudgedFailure, UsageError } from '../cli/errors.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import type { RegisterCommand } from '../cli/main.ts';
import { countBetween, type HostAddress, parseHost, parseSeed } from '../cli/options.ts';
import { checkOutput, writeOutput } from '../cli/output.ts';
import { PcapngWriter } from '../wire/pcap/write.ts';
import { loadLibc } from '../wire/tap/libc.ts';
import { LinuxSide } from '../wire/tap/linux.ts';
import { CaptureFile, Live, type LiveEnd } from '../wire/tap/live.ts';
import { LogWriter, type Recording, readRecording, refusal } from '../wire/tap/recording.ts';
import {
  buildAttached,
  configOf,
  ECHO_PORT,
  finishLive,
  type LiveConfig,
  type LiveResult,
  SCENARIO,
} from '../wire/tap/scenario.ts';
import { checkDeviceName, type Tap, TUN_NODE } from '../wire/tap/tap.ts';
import { parseMemory, parseRate } from './trace.ts';

interface TapOptions {
  readonly netns?: string;
  readonly dev: string;
  readonly linux: HostAddress;
  readonly host: HostAddress;
  readonly mac: string;
  readonly seconds?: number;
  readonly seed: number;
  readonly rate: number | 'instant';
  /** KiB */
  readonly memory: number;
  readonly record?: string;
  readonly pcap?: string;
  readonly hash?: boolean;
  readonly tun: string;
}

interface ReplayOptions {
  readonly pcap?: string;
  readonly partial?: boolean;
}

/** Recordings name this port; the device's own name is nobody's business in a replay. */
const PORT = 'tap0';
const DEFAULT_MAC = '02:00:00:00:00:02';
const PINGS = 5;
const SECONDS_MAX = 1_000_000;
/** A replay shows its progress so often, in simulated ns. */
const REPLAY_STEP_NS = 100_000_000;

/** `IP/PREFIX`, by the rules for a host's. */
function parseInterface(text: string): HostAddress {
  try {
    return parseHost(`${DEFAULT_MAC},${text}`);
  } catch (error) {
    const why = (error as Error).message.split('; a host is')[0];
    throw new InvalidArgumentError(`${why}; an address is IP/PREFIX, for example 10.9.0.2/24.`);
  }
}

const addressOption = (flags: string, description: string, address: string): Option =>
  new Option(flags, description).argParser(parseInterface).default(parseInterface(address), address);

function parseOurMac(text: string): string {
  try {
    return parseHost(`${text},10.9.0.2/24`).mac;
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message.split('; a host is')[0]}.`);
  }
}

/** @throws UsageError when the two could not reach each other */
function checkAddresses(linux: HostAddress, host: HostAddress): void {
  if (linux.ipNumber === host.ipNumber) throw new UsageError(`--linux and --host are both ${host.ip}`);
  const network = (address: HostAddress, length: number): number => Math.floor(address.ipNumber / 2 ** (32 - length));
  for (const { ip, prefixLength } of [linux, host]) {
    if (network(linux, prefixLength) === network(host, prefixLength)) continue;
    throw new UsageError(
      `${linux.ip} and ${host.ip} are not in one network of ${ip}/${prefixLength}: one could not reach the other`,
    );
  }
}

const line = (text: string): void => void process.stdout.write(`${text}\n`);

function writeCapture(path: string, capture: CaptureFile): void {
  writeOutput(path, capture.writer.bytes());
  if (capture.omitted > 0) {
    process.stderr.write(`ringside attach: ${path}: ${capture.omitted} later frames did not fit and are left out\n`);
  }
}

/** How a run went, for both ways of running it. Findings make the exit status 1. */
function report(result: LiveResult, refused: number): void {
  const { findings, violations } = result;
  const found = findings.length === 0 ? 'none' : String(findings.length);
  line(
    `frames: ${result.in} from Linux, ${result.out} to Linux, ${result.lost + refused} lost; sockets: ${result.sockets}; violations: ${violations}; findings: ${found}`,
  );
  for (const { detector, message } of findings) process.stderr.write(`finding: ${detector}: ${message}\n`);
  if (findings.length > 0) process.exitCode = 1;
  if (result.hash !== undefined) line(`run hash: ${result.hash}`);
}

/** What Linux had to drop because we did not read fast enough; undefined when it cannot be asked any more. */
function droppedByLinux(side: LinuxSide, device: string): number | undefined {
  try {
    const [link] = JSON.parse(side.ip(['-s', '-j', 'link', 'show', 'dev', device], '')) as {
      stats64?: { tx?: { dropped?: number } };
    }[];
    return link?.stats64?.tx?.dropped;
  } catch {
    return undefined;
  }
}

/** Resolves when Linux gets an answer from our host. @throws JudgedFailure */
async function untilReady(side: LinuxSide, host: string, ended: Promise<LiveEnd>): Promise<void> {
  let over = false;
  const mark = (): void => {
    over = true;
  };
  void ended.then(mark, mark);
  for (let tries = 0; tries < PINGS && !over; tries++) if (await side.pings(host)) return;
  if (!over) throw new JudgedFailure(`Linux gets no answer from ${host} to ${PINGS} pings`);
}

async function run(options: TapOptions, side: LinuxSide, tap: Tap, stopped: Promise<void>): Promise<void> {
  const { host, linux, seed } = options;
  const config: LiveConfig = {
    host: `${options.mac},${host.ip}/${host.prefixLength}`,
    rate: options.rate,
    memory: options.memory * 1024,
    costs: false,
  };
  const hash = options.record !== undefined || options.hash === true;
  const { live: world } = buildAttached(config, { seed, hash, port: PORT });
  const recorder =
    options.record === undefined
      ? undefined
      : new LogWriter(options.record, { scenario: SCENARIO, seed, config: { ...config } });
  const capture = options.pcap === undefined ? undefined : new CaptureFile(new PcapngWriter());
  const live = new Live(world, {
    taps: [{ wire: world.wires[0] as (typeof world.wires)[0], tap }],
    watch: () => side.watch(),
    ...(recorder === undefined ? {} : { recorder }),
    ...(capture === undefined ? {} : { capture }),
  });
  void stopped.then(() => live.stop());
  const where = side.namespace === null ? 'this namespace' : `namespace ${side.namespace}`;
  line(
    `${tap.name} in ${where}: Linux is ${linux.ip}/${linux.prefixLength}, our host ${host.ip}/${host.prefixLength} at ${options.mac}, UDP echo on port ${ECHO_PORT}`,
  );
  line(`from another shell: ${side.hint(`ping ${host.ip}`)}`);
  const running = live.run();
  let end: LiveEnd;
  let dropped: number | undefined;
  try {
    await untilReady(side, host.ip, running);
    line('ready');
    const { seconds } = options;
    const timer = seconds === undefined ? undefined : setTimeout(() => live.stop(), seconds * 1000);
    try {
      end = await running;
    } finally {
      clearTimeout(timer);
    }
    dropped = droppedByLinux(side, tap.name);
  } catch (error) {
    live.stop();
    await running.catch(() => {});
    if (error instanceof JudgedFailure) live.finish();
    else live.abort(error);
    if (recorder !== undefined && !(error instanceof UsageError) && !(error instanceof JudgedFailure)) {
      process.stderr.write(`ringside attach: to see it again: ringside attach replay ${recorder.path}\n`);
    }
    throw error;
  } finally {
    if (options.pcap !== undefined && capture !== undefined) writeCapture(options.pcap, capture);
  }
  report(live.finish(), tap.refused);
  if (tap.refusedDown > 0) line(`${tap.refusedDown} of the lost frames: ${tap.name} was down`);
  if (dropped !== undefined && dropped > 0) line(`dropped by Linux before we could read them: ${dropped}`);
  if (end.message !== undefined) throw new JudgedFailure(end.message);
}

async function attachTap(options: TapOptions): Promise<void> {
  checkDeviceName(options.dev);
  checkAddresses(options.linux, options.host);
  const libc = await loadLibc();
  if (options.record !== undefined) checkOutput(options.record);
  if (options.pcap !== undefined) checkOutput(options.pcap);
  let stop: () => void = () => {};
  let finished: () => void = () => {};
  const stopped = new Promise<void>(resolve => {
    stop = resolve;
  });
  const done = new Promise<void>(resolve => {
    finished = resolve;
  });
  const release = onInterrupt(() => {
    stop();
    return done;
  });
  try {
    const side = LinuxSide.open(libc, options.netns ?? null);
    try {
      const { ip, prefixLength } = options.linux;
      const tap = side.addTap(options.dev, `${ip}/${prefixLength}`, options.tun);
      await run(options, side, tap, stopped);
    } finally {
      await side.remove();
    }
  } finally {
    finished();
    release();
  }
}

/** @throws UsageError when it cannot be replayed, JudgedFailure when the run is another one */
function attachReplay(file: string, options: ReplayOptions): void {
  const recording = readRecording(file, options.partial === true);
  const { header, end } = recording;
  let config: LiveConfig;
  try {
    config = configOf(header);
  } catch (error) {
    throw refusal(file, error);
  }
  if (end === null && options.partial !== true) {
    throw new UsageError(
      `${file}: line ${recording.count + 2}: the end is missing: the recording was cut off (--partial replays what there is)`,
    );
  }
  if (options.pcap !== undefined) checkOutput(options.pcap);
  const result = replay(file, recording, config, options);
  report(result, 0);
  if (end === null) line('the recording has no end: nothing to compare with');
  else if (end.error !== undefined) line(`the recorded run broke off here: ${end.error}`);
  else if (end.hash === result.hash) line('the same as recorded');
  else throw new JudgedFailure(`${file}: not the run that was recorded: its hash was ${end.hash}`);
}

function replay(file: string, recording: Recording, config: LiveConfig, options: ReplayOptions): LiveResult {
  const { header, end } = recording;
  const { live } = buildAttached(config, { seed: header.seed, hash: true, port: PORT });
  const { sim, inputs } = live.world;
  const capture = options.pcap === undefined ? undefined : new CaptureFile(new PcapngWriter());
  capture?.watch(live);
  const until = end?.end ?? recording.last;
  try {
    inputs.replay(recording.inputs());
    while (sim.time < until) {
      sim.run(Math.min(until, sim.time + REPLAY_STEP_NS));
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kreplayed ${Math.floor((100 * sim.time) / until)} %`);
    }
  } catch (error) {
    throw refusal(file, error);
  } finally {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (options.pcap !== undefined && capture !== undefined) writeCapture(options.pcap, capture);
  }
  return finishLive(live);
}

export const registerAttach: RegisterCommand = (program: Command) => {
  const attach = program
    .command('attach')
    .description('put one of our hosts on a wire to the real Linux, or replay a recording of that');
  attach
    .command('tap')
    .description('a host of ours on a TAP device, with a UDP echo server')
    .option('--netns <name>', 'network namespace for the TAP; made if missing, and then removed at the end')
    .option('--dev <name>', 'name of the TAP device', 'tap0')
    .addOption(addressOption('--linux <ip/prefix>', "Linux's address on it", '10.9.0.1/24'))
    .addOption(addressOption('--host <ip/prefix>', "our host's address", '10.9.0.2/24'))
    .option('--mac <mac>', "our host's MAC address", parseOurMac, DEFAULT_MAC)
    .option('--seconds <n>', 'end after so long (else at ^C)', countBetween(1, SECONDS_MAX))
    .option('--seed <n>', 'seed of all chance', parseSeed, 1)
    .addOption(
      new Option('--rate <rate>', 'link rate in bit/s (10M, 1000M, 2.5G) or instant')
        .argParser(parseRate)
        .default(1_000_000_000, '1000M'),
    )
    .option('--memory <kib>', 'packet memory of the card, 4 or 16', parseMemory, 4)
    .option('--record <file>', 'save what came in, for `ringside attach replay`')
    .option('--pcap <file>', 'write all frames as pcapng at the end')
    .option('--hash', 'print the run hash at the end (--record does too)')
    .option('--tun <path>', 'device node of the TAP driver', TUN_NODE)
    .addHelpText(
      'after',
      `
Prints "ready" when Linux can ping our host. Needs root with --netns; without root, start it inside a namespace of your own:
  unshare -Urn ringside attach tap
What it makes (namespace, device) it removes when it ends, whatever way it ends; what was there before stays.
More in docs/real-linux.md.`,
    )
    .action(async (options: TapOptions) => {
      forLongRuns();
      await attachTap(options);
    });
  attach
    .command('replay')
    .description('run a recording again, without Linux: the same frames at the same times, the same hash')
    .argument('<file>', 'what `attach tap --record` wrote')
    .option('--pcap <file>', 'write all frames as pcapng')
    .option('--partial', 'take a recording that was cut off, up to its last whole line')
    .action((file: string, options: ReplayOptions) => attachReplay(file, options));
};
